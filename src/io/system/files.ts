import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  type Dirent,
  fchmodSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  symlinkSync,
  writeSync,
} from "node:fs";
import type { Files, FileStat, FileType, OpenFile } from "../../archive/files.js";
import { Failure, type FailureKind } from "../../base/failure.js";
import { decodeFileName, encodeFileName, isPlainName } from "../../base/file-name.js";

/** Files of this machine. */
export const systemFiles: Files = {
  list: (directory) =>
    doing("list", directory, () => {
      const path = native(directory);
      const entries = readdirSync(path, { withFileTypes: true });
      // Node puts U+FFFD for what is not UTF-8: only then are the names read again, as bytes.
      if (!entries.some(({ name }) => name.includes("\ufffd")))
        return entries.map((entry) => ({ name: entry.name, type: typeOf(entry) }));
      return readdirSync(path, { encoding: "buffer" }).map((bytes) => {
        const name = decodeFileName(bytes);
        return { name, type: typeOf(lstatSync(native(`${directory}/${name}`))) };
      });
    }),
  stat: (path) =>
    doing("look at", path, () => {
      const stats = lstatSync(native(path), { throwIfNoEntry: false });
      return stats && statOf(stats, () => lstatSync(native(path), { bigint: true }));
    }),
  readLink: (path) =>
    doing("read", path, () => {
      const target = readlinkSync(native(path));
      return target.includes("\ufffd")
        ? decodeFileName(readlinkSync(native(path), { encoding: "buffer" }))
        : target;
    }),
  open: (path) =>
    doing("read", path, () =>
      openFile(path, openSync(native(path), constants.O_RDONLY | constants.O_NOFOLLOW)),
    ),
  create: (path, mode) =>
    doing("write", path, () =>
      openFile(
        path,
        openSync(
          native(path),
          constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
          mode,
        ),
      ),
    ),
  makeDirectory: (path, mode) => doing("make directory", path, () => void mkdirSync(native(path), { mode })),
  symlink: (target, path) => doing("make link", path, () => symlinkSync(native(target), native(path))),
  link: (existing, path) => doing("make hard link", path, () => linkSync(native(existing), native(path))),
  chmod: (path, mode) => doing("change", path, () => chmodSync(native(path), mode)),
  rename: (from, to) => doing("rename", from, () => renameSync(native(from), native(to))),
  remove: (path) => doing("remove", path, () => rmSync(native(path), { recursive: true, force: true })),
};

/** What node:fs takes: text it encodes as UTF-8, or the bytes themselves. */
const native = (path: string): string | Buffer =>
  isPlainName(path) ? path : Buffer.from(encodeFileName(path));

function openFile(path: string, fd: number): OpenFile {
  const close = (): void => doing("close", path, () => closeSync(fd));
  return {
    path,
    stat: () => doing("look at", path, () => statOf(fstatSync(fd), () => fstatSync(fd, { bigint: true }))),
    read: (buffer) =>
      doing("read", path, () => {
        let filled = 0;
        while (filled < buffer.byteLength) {
          const count = readSync(fd, buffer, filled, buffer.byteLength - filled, null);
          if (count === 0) break;
          filled += count;
        }
        return filled;
      }),
    write: (bytes) =>
      doing("write", path, () => {
        for (let at = 0; at < bytes.byteLength; ) at += writeSync(fd, bytes, at);
      }),
    chmod: (mode) => doing("change", path, () => fchmodSync(fd, mode)),
    close,
    [Symbol.dispose]: close,
  };
}

const typeOf = (of: Dirent | Stats): FileType =>
  of.isFile() ? "file" : of.isDirectory() ? "directory" : of.isSymbolicLink() ? "symlink" : "other";

function statOf(stats: Stats, exact: () => BigIntStats): FileStat {
  const type = typeOf(stats);
  let identity: string | undefined;
  if (type === "file" && stats.nlink > 1) {
    // Inode numbers of some file systems (Lustre, Btrfs) do not fit in a double.
    const { dev, ino } = exact();
    identity = `${dev}:${ino}`;
  }
  return { type, mode: stats.mode & 0o7777, size: stats.size, mtimeMs: stats.mtimeMs, identity };
}

interface Meaning {
  readonly kind: FailureKind;
  readonly code: string;
  readonly found: string;
  readonly hint?: string;
}

const freeSpace = "Free some space, or choose another place.";

const meanings: Readonly<Record<string, Meaning>> = {
  ENOENT: { kind: "not-found", code: "disk.missing", found: "it does not exist" },
  ENOTDIR: { kind: "not-found", code: "disk.missing", found: "a part of its path is no directory" },
  EACCES: { kind: "denied", code: "disk.denied", found: "permission denied" },
  EPERM: { kind: "denied", code: "disk.denied", found: "operation not permitted" },
  EROFS: { kind: "denied", code: "disk.denied", found: "the file system is read-only" },
  EEXIST: { kind: "conflict", code: "disk.exists", found: "something is there already" },
  ENOTEMPTY: { kind: "conflict", code: "disk.exists", found: "a directory is there and not empty" },
  ELOOP: { kind: "conflict", code: "disk.is-link", found: "it is a symbolic link" },
  ENOSPC: { kind: "unavailable", code: "store.no-space", found: "no space left there", hint: freeSpace },
  EDQUOT: {
    kind: "unavailable",
    code: "store.no-space",
    found: "the disk quota is used up",
    hint: freeSpace,
  },
  EMFILE: { kind: "unavailable", code: "disk.too-many-open", found: "too many files are open" },
  ENAMETOOLONG: { kind: "unsupported", code: "disk.name-too-long", found: "the name is too long" },
};

const unknown: Omit<Meaning, "found"> = { kind: "unavailable", code: "disk.failed" };

function doing<T>(verb: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw fileFailure(error, verb, path);
  }
}

/** The failure for an error of a file call; what no system call reported is a bug and stays as it is. */
export function fileFailure(error: unknown, verb: string, path: string): unknown {
  if (!(error instanceof Error) || !("code" in error) || !("syscall" in error)) return error;
  const { kind, code, found, hint } = meanings[String(error.code)] ?? {
    ...unknown,
    found: String(error.code),
  };
  return new Failure(kind, `cannot ${verb} ${path}: ${found}`, { code, subject: path, hint, cause: error });
}
