import { Failure } from "../base/failure.js";
import { compareFileNames } from "../base/file-name.js";
import {
  type BinaryDistribution,
  binaryDistributionName,
  encodeBinaryDistribution,
} from "./binary-distribution.js";
import type { FileStat, Files, OpenFile } from "./files.js";
import { createRelocatableScanner, type Relocatable } from "./relocatable.js";
import { blockSize, encodeTarHeader, paddingOf, recordSize } from "./tar-header.js";

export interface PackRequest {
  /** The package's prefix, as its own files name it: absolute. */
  readonly prefix: string;
  /** The directory it is read from, where that is another. */
  readonly directory?: string | undefined;
  /** What `.spack/binary_distribution` says beside the lists of files. */
  readonly distribution: Omit<
    BinaryDistribution,
    "hardlinksDeduped" | "relocateBinaries" | "relocateLinks" | "relocateTextFiles"
  >;
}

/** Files larger than this are read in pieces of this size (bytes). */
const pieceSize = 1024 * 1024;

/**
 * The tar archive of one prefix, byte for byte as Spack 1.3 makes it, while each file is read once.
 * A piece is valid until the next one is asked for. Returns what the archive's `binary_distribution` says.
 *
 * @throws Failure `archive.file-changed` for a file that changes while it is read; `disk.*` for what cannot be read
 */
export function* packPrefix(request: PackRequest, files: Files): Generator<Uint8Array, BinaryDistribution> {
  const archiveName = request.prefix.replace(/^\/+|\/+$/g, "");
  const top = request.directory ?? request.prefix;
  const { sbangInstallPath, buildPath, hashToPrefix } = request.distribution;
  const prefixes = [...hashToPrefix.values(), sbangInstallPath, buildPath];
  const scanner = createRelocatableScanner(prefixes);
  const relocate: Record<"binary" | "text" | "link", string[]> = { binary: [], text: [], link: [] };
  const firstNames = new Map<string, string>();
  const piece = Buffer.alloc(pieceSize + 16 * 1024);
  let written = 0;

  function count<T extends Uint8Array>(bytes: T): T {
    written += bytes.byteLength;
    return bytes;
  }

  /** `below` and the other paths here are those below the prefix; a directory's ends in `/`, the prefix's is "". */
  function* directory(below: string): Generator<Uint8Array> {
    yield count(encodeTarHeader({ type: "directory", name: `${archiveName}/${below}`, mode: 0o755 }));
    const listed = files
      .list(`${top}/${below}`.slice(0, -1))
      .toSorted((a, b) => compareFileNames(a.name, b.name));
    for (const { name, type } of listed) {
      const path = below + name;
      // An archive that was unpacked here left one; a new one is written.
      if (path === binaryDistributionName) continue;
      if (type === "symlink") yield* symlink(path);
      if (type === "file") yield* file(path);
    }
    for (const { name, type } of listed) if (type === "directory") yield* directory(`${below}${name}/`);
  }

  function* symlink(path: string): Generator<Uint8Array> {
    const target = files.readLink(`${top}/${path}`);
    if (isRelocatable(path) && prefixes.some((prefix) => target.startsWith(prefix))) relocate.link.push(path);
    const name = `${archiveName}/${path}`;
    yield count(encodeTarHeader({ type: "symlink", name, mode: 0o755, linkName: target }));
  }

  function* file(path: string): Generator<Uint8Array> {
    using open = files.open(`${top}/${path}`);
    const stat = open.stat();
    const name = `${archiveName}/${path}`;
    const mode = stat.mode & 0o100 ? 0o755 : 0o644;
    const first = stat.identity && firstNames.get(stat.identity);
    if (first !== undefined) {
      yield count(encodeTarHeader({ type: "hardlink", name, mode, linkName: first }));
      return;
    }
    if (stat.identity !== undefined) firstNames.set(stat.identity, name);
    const head = encodeTarHeader({ type: "file", name, mode, size: stat.size });
    const isSmall = head.byteLength + stat.size + paddingOf(stat.size) <= piece.byteLength;
    const kind = yield* isSmall ? small({ open, head, stat }) : large({ open, head, stat });
    if (kind !== undefined && isRelocatable(path)) relocate[kind].push(path);
  }

  /** Header, content and padding leave as one piece. */
  function* small({ open, head, stat }: Reading): Generator<Uint8Array, Relocatable> {
    const end = head.byteLength + stat.size;
    const body = piece.subarray(head.byteLength, end);
    piece.set(head);
    if (open.read(body) < stat.size) throw changed(open.path);
    assertUnchanged(open, stat);
    const kind = scanner.classify(body);
    const padded = end + paddingOf(stat.size);
    yield count(piece.fill(0, end, padded).subarray(0, padded));
    return kind;
  }

  function* large({ open, head, stat }: Reading): Generator<Uint8Array, Relocatable> {
    yield count(head);
    const scan = scanner.start();
    for (let left = stat.size; left > 0; ) {
      const body = piece.subarray(0, Math.min(left, pieceSize));
      if (open.read(body) < body.byteLength) throw changed(open.path);
      scan.update(body);
      left -= body.byteLength;
      yield count(body);
    }
    assertUnchanged(open, stat);
    yield count(new Uint8Array(paddingOf(stat.size)));
    return scan.end();
  }

  const parents = archiveName.split("/").slice(0, -1);
  for (const depth of parents.keys()) {
    const name = `${parents.slice(0, depth + 1).join("/")}/`;
    yield count(encodeTarHeader({ type: "directory", name, mode: 0o755 }));
  }
  yield* directory("");

  const distribution: BinaryDistribution = {
    ...request.distribution,
    hardlinksDeduped: true,
    relocateBinaries: relocate.binary,
    relocateLinks: relocate.link,
    relocateTextFiles: relocate.text,
  };
  const metadata = encodeBinaryDistribution(distribution);
  const name = `${archiveName}/${binaryDistributionName}`;
  yield count(encodeTarHeader({ type: "file", name, mode: 0o644, size: metadata.byteLength }));
  yield count(metadata);
  const padded = written + paddingOf(metadata.byteLength) + 2 * blockSize;
  yield new Uint8Array(Math.ceil(padded / recordSize) * recordSize - written);
  return distribution;
}

/** A file about to be read, with the header that goes before it. */
interface Reading {
  readonly open: OpenFile;
  readonly head: Uint8Array;
  readonly stat: FileStat;
}

/** Spack moves nothing of its own metadata. */
const isRelocatable = (path: string): boolean => !path.startsWith(".spack/");

function assertUnchanged(open: OpenFile, before: FileStat): void {
  const after = open.stat();
  if (after.size !== before.size || after.mtimeMs !== before.mtimeMs) throw changed(open.path);
}

function changed(path: string): Failure {
  return new Failure("conflict", `${path} changed while it was packed`, {
    code: "archive.file-changed",
    subject: path,
    hint: "Wait until nothing writes to this prefix, then push again.",
  });
}
