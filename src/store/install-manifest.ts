import { decodeObject, type JsonObject, objectAt, type Place } from "../base/decode.js";
import { pythonJson } from "../spec/python-json.js";

/** One line of `.spack/install_manifest.json` (Spack's `verify.py`): what `lstat` says, and what the content is. */
export interface ManifestEntry {
  /** With the file type's bits, as `st_mode`. */
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
  /** Target of a symbolic link. */
  readonly dest?: string | undefined;
  /** Of a regular file: base32 of SHA-1, upper case; seconds since 1970; bytes. */
  readonly hash?: string | undefined;
  readonly time?: number | undefined;
  readonly size?: number | undefined;
}

/** Absolute path to entry: all that is in a prefix, and the prefix itself. */
export type InstallManifest = ReadonlyMap<string, ManifestEntry>;

export const installManifestName = ".spack/install_manifest.json";

/** What no manifest speaks of: itself, and what Spack 0.x writes after it. */
export const isUnverified = (below: string): boolean =>
  below === installManifestName || below.split("/").at(-1) === "install_times.json";

export const encodeInstallManifest = (manifest: InstallManifest): string =>
  pythonJson(Object.fromEntries(manifest));

/** @throws Failure `store.manifest-corrupt` */
export function decodeInstallManifest(text: string, subject: string): InstallManifest {
  const place: Place = { subject, code: "store.manifest-corrupt", path: "" };
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    // What is no JSON is no object either, and named so.
  }
  const paths = decodeObject(document, place);
  return new Map(Object.keys(paths).map((path) => [path, decodeEntry(objectAt(paths, path, place))]));
}

/** Which of an entry's values differ, in Spack's words; none where it is as it was installed. */
export type Difference =
  | "added"
  | "deleted"
  | "owner"
  | "group"
  | "mode"
  | "link"
  | "size"
  | "mtime"
  | "hash";

/** What of a file is not as the manifest says. */
export function differencesOf(
  wanted: ManifestEntry | undefined,
  found: ManifestEntry,
): readonly Difference[] {
  if (wanted === undefined) return ["added"];
  const differences: Difference[] = [];
  const differs = (name: Difference, is: boolean) => void (is && differences.push(name));
  differs("owner", wanted.owner !== found.owner);
  differs("group", wanted.group !== found.group);
  // Old manifests have the mode of what a link points to: a link's own mode says nothing.
  if (found.dest === undefined) differs("mode", wanted.mode !== found.mode);
  else differs("link", wanted.dest !== found.dest);
  if (found.size !== undefined && wanted.mode === found.mode) {
    differs("size", wanted.size !== found.size);
    differs("mtime", wanted.time !== found.time);
    differs("hash", wanted.hash !== found.hash);
  }
  return differences;
}

function decodeEntry(entry: JsonObject): ManifestEntry {
  const number = (key: string): number => {
    const value = entry[key];
    return typeof value === "number" ? value : Number.NaN;
  };
  const { dest, hash } = entry;
  return {
    mode: number("mode"),
    owner: number("owner"),
    group: number("group"),
    dest: typeof dest === "string" ? dest : undefined,
    hash: typeof hash === "string" ? hash : undefined,
    time: entry["time"] === undefined ? undefined : number("time"),
    size: entry["size"] === undefined ? undefined : number("size"),
  };
}
