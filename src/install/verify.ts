import { createHash } from "node:crypto";
import { textOf } from "../base/bytes.js";
import type { DagHash } from "../spec/dag-hash.js";
import { decodeSpecFile } from "../spec/spec-file.js";
import {
  decodeInstallManifest,
  type Difference,
  differencesOf,
  installManifestName,
  type InstallManifest,
  isUnverified,
  type ManifestEntry,
} from "../store/install-manifest.js";
import type { InstallFiles } from "./files.js";
import { base32 } from "./base32.js";

/** A path that is not as it was installed. */
export interface Deviation {
  readonly path: string;
  readonly differences: readonly Difference[];
}

/** What verifying a prefix found. */
export type Verified =
  | {
      readonly type: "checked";
      /** Of the package that it says it is. */
      readonly hash: DagHash | undefined;
      readonly files: number;
      readonly deviations: readonly Deviation[];
    }
  /** Nothing to compare with. */
  | { readonly type: "no-manifest" }
  | { readonly type: "no-prefix" };

/**
 * Compares a prefix with its `install_manifest.json`, as `spack verify manifest` does.
 * @throws Failure `store.manifest-corrupt`, `file.*`
 */
export function verifyPrefix(prefix: string, files: InstallFiles): Verified {
  if (files.stat(prefix)?.type !== "directory") return { type: "no-prefix" };
  const manifest = readManifest(prefix, files);
  if (manifest === undefined) return { type: "no-manifest" };
  const left = new Map(manifest);
  const deviations: Deviation[] = [];
  let count = 0;
  const check = (path: string) => {
    const wanted = left.get(path);
    left.delete(path);
    count += 1;
    const differences = differencesOf(wanted, describeWhole(path, { files, wanted }));
    if (differences.length > 0) deviations.push({ path, differences });
  };
  const walk = (directory: string) => {
    for (const { name, type } of files.list(directory)) {
      const path = `${directory}/${name}`;
      if (!isUnverified(path.slice(prefix.length + 1))) check(path);
      if (type === "directory") walk(path);
    }
  };
  walk(prefix);
  check(prefix);
  for (const path of left.keys()) deviations.push({ path, differences: ["deleted"] });
  return { type: "checked", hash: hashIn(prefix, files), files: count, deviations };
}

function readManifest(prefix: string, files: InstallFiles): InstallManifest | undefined {
  const path = `${prefix}/${installManifestName}`;
  const content = readWhole(path, files);
  return content === undefined ? undefined : decodeInstallManifest(textOf(content) ?? "", path);
}

function hashIn(prefix: string, files: InstallFiles): DagHash | undefined {
  const path = `${prefix}/.spack/spec.json`;
  const content = readWhole(path, files);
  if (content === undefined) return undefined;
  try {
    return decodeSpecFile(JSON.parse(textOf(content) ?? ""), path).roots[0];
  } catch {
    // Metadata that cannot be read names no package; that it was changed is told by its hash.
    return undefined;
  }
}

function readWhole(path: string, files: InstallFiles): Uint8Array | undefined {
  if (files.stat(path)?.type !== "file") return undefined;
  using file = files.open(path);
  const content = new Uint8Array(file.stat().size);
  file.read(content);
  return content;
}

/** With the content's hash, but only where it can still be the one that is wanted. */
function describeWhole(
  path: string,
  { files, wanted }: { files: InstallFiles; wanted: ManifestEntry | undefined },
): ManifestEntry {
  const found = files.describe(path);
  if (wanted?.hash === undefined || found.size === undefined || found.size !== wanted.size) return found;
  using file = files.open(path);
  const hash = createHash("sha1");
  const piece = Buffer.allocUnsafe(Math.min(Math.max(found.size, 1), 1024 * 1024));
  for (let read = file.read(piece); read > 0; read = file.read(piece)) hash.update(piece.subarray(0, read));
  return { ...found, hash: base32(hash.digest()) };
}
