import { createHash } from "node:crypto";
import { utf8 } from "../base/bytes.js";
import { planRpathCleanup } from "../relocate/rpath-cleanup.js";
import {
  encodeInstallManifest,
  installManifestName,
  isUnverified,
  type ManifestEntry,
} from "../store/install-manifest.js";
import { base32 } from "./base32.js";
import type { InstallFiles, UpdateFile } from "./files.js";
import type { WrittenEntry } from "./package-writer.js";

/** Permissions of an installed package, as Spack's `packages:all:permissions` gives them. */
export interface Permissions {
  /** Of directories, with the set-group-id bit that Spack adds for the group's sake. */
  readonly directory: number;
  /** Of files that may be executed; others get the same less the right to execute. */
  readonly file: number;
  /** The group that owns all but symbolic links; undefined: whatever the directory gives. */
  readonly group?: number | undefined;
}

/** Readable by all, writable by the owner; `config:allow_sgid` is on. */
export const defaultPermissions: Permissions = { directory: 0o2755, file: 0o755 };

/** A package that stands in its staging directory, to be made ready for its prefix: plain data. */
export interface FinishJob {
  readonly directory: string;
  readonly prefix: string;
  readonly written: readonly WrittenEntry[];
  /** Further files, below the prefix. */
  readonly metadata: ReadonlyMap<string, Uint8Array>;
  readonly permissions: Permissions;
}

/**
 * What Spack does after it unpacked a package, once all that the package depends on is in place: drops rpath
 * entries that lead nowhere, sets permissions, and writes `install_manifest.json` last, over all the rest.
 */
export function finishPackage(job: FinishJob, files: InstallFiles): void {
  const { directory, prefix, permissions } = job;
  const at = (name: string) => (name === "" ? directory : `${directory}/${name}`);
  const all = [...job.written, ...writeMetadata(job, files)];
  const hashes = hashesOf(all, { at, files, exists: existence(job, files) });
  const manifest = new Map<string, ManifestEntry>();
  for (const entry of all) {
    const found = settleMode(entry, { path: at(entry.name), permissions, files });
    if (isUnverified(entry.name)) continue;
    const path = entry.name === "" ? prefix : `${prefix}/${entry.name}`;
    manifest.set(path, { ...found, hash: hashes.get(entry.name) });
  }
  files.write(at(installManifestName), utf8(encodeInstallManifest(manifest)), 0o644);
  const own = { name: installManifestName, type: "file", executable: false } as const;
  settleMode(own, { path: at(own.name), permissions, files });
}

function writeMetadata({ directory, metadata }: FinishJob, files: InstallFiles): WrittenEntry[] {
  return [...metadata].map(([name, content]) => {
    files.write(`${directory}/${name}`, content, 0o644);
    const hash = base32(createHash("sha1").update(content).digest());
    return { name, type: "file", executable: false, hash };
  });
}

interface Settling {
  readonly at: (name: string) => string;
  readonly files: InstallFiles;
  readonly exists: (path: string) => boolean;
}

/** Content's hashes by name, of files as they stay. A hard link has its file's. */
function hashesOf(
  entries: readonly WrittenEntry[],
  { at, files, exists }: Settling,
): ReadonlyMap<string, string> {
  const hashes = new Map<string, string>();
  for (const { name, type, hash, elf, existing } of entries) {
    const known = existing === undefined ? hash : hashes.get(existing);
    if (known !== undefined && elf !== true) hashes.set(name, known);
    else if (type === "file") {
      using file = files.update(at(name));
      const patches = elf === true ? planRpathCleanup(file, exists) : [];
      for (const { bytes, offset } of patches) file.write(bytes, offset);
      hashes.set(name, patches.length === 0 && known !== undefined ? known : base32(sha1Of(file)));
    }
  }
  return hashes;
}

/** Gives an entry its group and permissions, if the process's umask or the file system gave it others. */
function settleMode(
  entry: WrittenEntry,
  { path, permissions, files }: { path: string; permissions: Permissions; files: InstallFiles },
): ManifestEntry {
  const found = files.describe(path);
  if (entry.type === "symlink") return found;
  const { group = found.group } = permissions;
  // First the group: the kernel takes bits away with it.
  if (group !== found.group) files.changeGroup(path, group);
  const mode = modeOf(entry, permissions);
  if ((found.mode & 0o7777) === mode && group === found.group) return found;
  files.chmod(path, mode);
  return { ...found, group, mode: (found.mode & ~0o7777) | mode };
}

function modeOf(
  { type, executable }: Pick<WrittenEntry, "type" | "executable">,
  permissions: Permissions,
): number {
  if (type === "directory") return permissions.directory;
  return executable ? permissions.file : permissions.file & ~0o111;
}

/** What is in the package itself is not at its prefix yet. Most rpaths name the same few directories. */
function existence({ directory, prefix }: FinishJob, files: InstallFiles): (path: string) => boolean {
  const known = new Map<string, boolean>();
  return (path) => {
    const now =
      path === prefix || path.startsWith(`${prefix}/`) ? directory + path.slice(prefix.length) : path;
    const found = known.get(now) ?? isThere(files, now);
    known.set(now, found);
    return found;
  };
}

function isThere(files: InstallFiles, path: string): boolean {
  try {
    return files.stat(path) !== undefined;
  } catch {
    // As Python's `lexists`: what cannot be looked at is no place to find a library in.
    return false;
  }
}

/** Bytes read at once. */
const pieceSize = 1024 * 1024;

function sha1Of(file: UpdateFile): Uint8Array {
  const hash = createHash("sha1");
  for (let at = 0; at < file.size; at += pieceSize) hash.update(file.read(at, pieceSize));
  return hash.digest();
}
