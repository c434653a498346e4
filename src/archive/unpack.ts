import { Failure } from "../base/failure.js";
import {
  type BinaryDistribution,
  binaryDistributionName,
  decodeBinaryDistribution,
} from "./binary-distribution.js";
import { createClaimedPaths } from "./claimed-paths.js";
import {
  assertSafeEntry,
  defaultUnpackLimits,
  refusing,
  type UnpackLimits,
  withoutSlash,
} from "./safe-entry.js";
import { createTarReader, type ReadTarEntry } from "./tar-reader.js";

/**
 * Where the entries of a package go. Paths are below the prefix, each component a plain name, the prefix
 * itself ""; a directory comes before what is in it, a file before hard links to it, nothing comes twice.
 */
export interface TreeSink {
  /** Told first, where wanted: the prefix that the package was made in, absolute. */
  prefix?(prefix: string): void;
  directory(path: string): void;
  file(path: string, file: { readonly size: number; readonly executable: boolean }): FileSink;
  /** The target is as the archive has it: it may be anything. */
  symlink(path: string, target: string): void;
  hardlink(path: string, existing: string): void;
}

export interface FileSink {
  /** Content, the sink's during the call (it may be changed); all together never more than the size that was told. */
  write(chunk: Uint8Array): void;
  /** After the last byte. */
  end(): void;
}

export interface UnpackOptions {
  /** The archive, for messages. */
  readonly subject: string;
  /** DAG hash of the package: its prefix is the first directory with it in its name. Else it is where `.spack` is. */
  readonly hash?: string | undefined;
  readonly limits?: Partial<UnpackLimits> | undefined;
  /** Refuse names that are one name where case does not count (macOS, Windows). */
  readonly caseInsensitive?: boolean | undefined;
}

export interface Unpacked {
  /** The prefix that the package was made in, absolute. */
  readonly prefix: string;
  readonly distribution: BinaryDistribution;
  readonly entries: number;
  /** Bytes of the files. */
  readonly size: number;
}

export interface Unpacker {
  push(chunk: Uint8Array): void;
  /** To be called after the last byte: what was unpacked is good only if this returns. */
  end(): Unpacked;
}

/** `binary_distribution` lists the relocatable files of one package (bytes). */
const largestMetadata = 64 * 1024 * 1024;

/**
 * Turns a package's archive into safe calls of a sink, or refuses it, naming the entry.
 * @throws Failure `archive.*`, listed in docs/failures.md; what the sink throws
 */
export function createUnpacker(sink: TreeSink, options: UnpackOptions): Unpacker {
  const { subject } = options;
  const limits = { ...defaultUnpackLimits, ...options.limits };
  const refuse = refusing(subject);
  const caseInsensitive = options.caseInsensitive ?? false;
  const paths = createClaimedPaths({ refuse, imply: sink.directory, caseInsensitive });
  const climbing: { name: string; target: string; levels: number }[] = [];
  const leading: ReadTarEntry[] = [];
  let prefix: string | undefined;
  let entries = 0;
  let size = 0;
  let archiveSize = 0;
  let current: { sink: FileSink; left: number; isMetadata: boolean } | undefined;
  let metadata: Uint8Array[] | undefined;

  const entry = (read: ReadTarEntry): void => {
    entries += 1;
    if (entries > limits.entries)
      throw refuse(read.name, { code: "archive.too-many-entries", why: `is number ${entries}` });
    size += read.size;
    if (size > limits.size)
      throw refuse(read.name, { code: "archive.too-large", why: `makes it more than ${limits.size} bytes` });
    assertSafeEntry(read, limits, refuse);
    if (prefix === undefined) findPrefix(read);
    else place(read);
  };

  /** Directories come first, down to the prefix: they are kept until it is known which one that is. */
  const findPrefix = (read: ReadTarEntry): void => {
    prefix = prefixOf(read, leading.at(-1), options.hash);
    if (prefix === "" || (prefix === undefined && read.type !== "directory"))
      throw refuse(read.name, { code: "archive.prefix-unknown", why: "comes before a prefix" });
    leading.push(read);
    if (prefix === undefined) return;
    sink.prefix?.(`/${prefix}`);
    for (const early of leading.splice(0)) place(early);
  };

  const place = (read: ReadTarEntry): void => {
    const name = withoutSlash(read.name);
    const path = below(name);
    if (path === undefined) {
      // The directories above the prefix have entries, too.
      if (read.type === "directory" && prefix?.startsWith(`${name}/`)) return;
      throw refuse(read.name, { code: "archive.outside-prefix", why: `is not in the prefix /${prefix}` });
    }
    if (path === "" && read.type !== "directory")
      throw refuse(read.name, { code: "archive.prefix-replaced", why: "is the prefix" });
    const existing = read.type === "hardlink" ? hardlinkTarget(read) : "";
    const isNew = paths.claim(path, read);
    if (read.type === "hardlink") sink.hardlink(path, existing);
    else if (read.type === "file") startFile(path, read);
    else if (read.type === "directory" && isNew) sink.directory(path);
    else if (read.type === "symlink") {
      noteClimbing(path, read);
      sink.symlink(path, read.linkName);
    }
  };

  /** The path below the prefix; "" for the prefix itself. */
  const below = (name: string): string | undefined => {
    if (name === prefix) return "";
    return name.startsWith(`${prefix}/`) ? name.slice((prefix?.length ?? 0) + 1) : undefined;
  };

  const startFile = (path: string, read: ReadTarEntry): void => {
    const isMetadata = path === binaryDistributionName;
    if (isMetadata && read.size > largestMetadata)
      throw refuse(read.name, {
        code: "archive.too-large",
        why: `has ${read.size} bytes, more than ${largestMetadata}`,
      });
    if (isMetadata) metadata = [];
    const file = sink.file(path, { size: read.size, executable: (read.mode & 0o100) !== 0 });
    current = { sink: file, left: read.size, isMetadata };
    endIfDone();
  };

  const hardlinkTarget = ({ name, linkName }: ReadTarEntry): string => {
    const target = below(linkName);
    if (target === undefined)
      throw refuse(name, {
        code: "archive.link-outside-prefix",
        why: `is a hard link to ${linkName}, outside the prefix`,
      });
    if (!paths.isFile(target))
      throw refuse(name, {
        code: "archive.link-to-nothing",
        why: `is a hard link to ${linkName}, which is no file before it`,
      });
    return target;
  };

  /** How far a relative link leads above the prefix; how far it may is known at the end. */
  const noteClimbing = (path: string, { name, linkName }: ReadTarEntry): void => {
    if (linkName.startsWith("/")) return;
    let depth = path.split("/").length - 1;
    let lowest = depth;
    for (const part of linkName.split("/")) {
      if (part === "..") depth -= 1;
      else if (part !== "" && part !== ".") depth += 1;
      lowest = Math.min(lowest, depth);
    }
    if (lowest < 0) climbing.push({ name, target: linkName, levels: -lowest });
  };

  const data = (chunk: Uint8Array): void => {
    if (current === undefined) return;
    current.left -= chunk.byteLength;
    if (current.isMetadata) metadata?.push(Buffer.from(chunk));
    current.sink.write(chunk);
    endIfDone();
  };

  const endIfDone = (): void => {
    if (current === undefined || current.left > 0) return;
    const { sink: file } = current;
    current = undefined;
    file.end();
  };

  const reader = createTarReader({ entry, data }, subject);

  return {
    push: (chunk) => {
      archiveSize += chunk.byteLength;
      if (archiveSize > limits.size)
        throw broken({
          code: "archive.too-large",
          message: `refused to unpack ${subject}: it has more than ${limits.size} bytes`,
        });
      reader.push(chunk);
    },
    end: () => {
      reader.end();
      if (prefix === undefined || metadata === undefined)
        throw broken({
          code: "archive.metadata-missing",
          message: `${subject} is no package of Spack's: no ${binaryDistributionName}`,
        });
      const distribution = decodeBinaryDistribution(Buffer.concat(metadata), subject);
      const said = absolute(`${distribution.buildPath}/${distribution.relativePrefix}`);
      if (said !== `/${prefix}`)
        throw broken({
          code: "archive.prefix-mismatch",
          message: `${subject} holds /${prefix}, but says that it was made in ${said}`,
        });
      const root = absolute(distribution.buildPath);
      const above = said.startsWith(`${root}/`) ? said.slice(root.length + 1).split("/").length : 0;
      for (const { name, target, levels } of climbing)
        if (levels > above)
          throw refuse(name, { code: "archive.climbing-link", why: `points out of the store, to ${target}` });
      return { prefix: said, distribution, entries, size };
    },
  };

  function broken({ code, message }: { code: string; message: string }): Failure {
    return new Failure("corrupt", message, { code, subject });
  }
}

/**
 * The prefix, once the next entry shows it: the directory named after the hash; else the parent of `.spack`;
 * else the last of the directories that lead down to the first entry that is not in it.
 */
function prefixOf(
  read: ReadTarEntry,
  last: ReadTarEntry | undefined,
  hash: string | undefined,
): string | undefined {
  const parts = withoutSlash(read.name).split("/");
  const named = hash === undefined ? -1 : parts.findIndex((part) => part.includes(hash));
  if (named !== -1) return parts.slice(0, named + 1).join("/");
  const metadata = parts.indexOf(".spack");
  if (metadata !== -1) return parts.slice(0, metadata).join("/");
  const above = last && withoutSlash(last.name);
  const leadsOn = read.type === "directory" && (above === undefined || read.name.startsWith(`${above}/`));
  return leadsOn ? undefined : above;
}

/** An absolute path without `.`, `..` and double slashes. */
function absolute(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
