import { Failure } from "../base/failure.js";
import { compareFileNames } from "../base/file-name.js";
import {
  type BinaryDistribution,
  binaryDistributionName,
  encodeBinaryDistribution,
} from "./binary-distribution.js";
import type { FileStat, Files, OpenFile } from "./files.js";
import { createRelocatableScanner, type RelocatableScanner } from "./relocatable.js";
import { blockSize, encodeTarHeader, paddingOf, recordSize, type TarEntry } from "./tar-header.js";

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
  const { sbangInstallPath, buildPath, hashToPrefix } = request.distribution;
  const prefixes = [...hashToPrefix.values(), sbangInstallPath, buildPath];
  const scanner = createRelocatableScanner(prefixes);
  const relocate = { binary: [] as string[], text: [] as string[], links: [] as string[] };
  const firstNames = new Map<string, string>();
  const piece = Buffer.alloc(pieceSize + 16 * 1024);
  let written = 0;

  function count<T extends Uint8Array>(bytes: T): T {
    written += bytes.byteLength;
    return bytes;
  }

  function* directory(path: string, name: string, inside: string): Generator<Uint8Array> {
    yield count(encodeTarHeader({ type: "directory", name: `${name}/`, mode: 0o755 }));
    const listed = files.list(path).toSorted((a, b) => compareFileNames(a.name, b.name));
    for (const entry of listed) {
      const below = `${inside}${entry.name}`;
      // An archive that was unpacked here left one; a new one is written.
      if (below === binaryDistributionName) continue;
      if (entry.type === "symlink") yield* symlink(`${path}/${entry.name}`, `${name}/${entry.name}`, below);
      if (entry.type === "file") yield* file(`${path}/${entry.name}`, `${name}/${entry.name}`, below);
    }
    for (const entry of listed)
      if (entry.type === "directory")
        yield* directory(`${path}/${entry.name}`, `${name}/${entry.name}`, `${inside}${entry.name}/`);
  }

  function* symlink(path: string, name: string, below: string): Generator<Uint8Array> {
    const target = files.readLink(path);
    if (!isMetadata(below) && prefixes.some((prefix) => target.startsWith(prefix)))
      relocate.links.push(below);
    yield count(encodeTarHeader({ type: "symlink", name, mode: 0o755, linkName: target }));
  }

  function* file(path: string, name: string, below: string): Generator<Uint8Array> {
    using open = files.open(path);
    const stat = open.stat();
    const mode = stat.mode & 0o100 ? 0o755 : 0o644;
    if (stat.identity !== undefined) {
      const first = firstNames.get(stat.identity);
      if (first !== undefined) {
        yield count(encodeTarHeader({ type: "hardlink", name, mode, linkName: first }));
        return;
      }
      firstNames.set(stat.identity, name);
    }
    const kind = yield* content(
      { type: "file", name, mode, size: stat.size },
      { open, stat, scan: !isMetadata(below) },
    );
    if (kind !== undefined) relocate[kind].push(below);
  }

  function* content(
    entry: TarEntry,
    { open, stat, scan }: { open: OpenFile; stat: FileStat; scan: boolean },
  ): Generator<Uint8Array, ReturnType<RelocatableScanner["classify"]>> {
    const head = encodeTarHeader(entry);
    const { size } = stat;
    if (head.byteLength + size <= piece.byteLength - recordSize) {
      // Header, content and padding of a small file leave as one piece.
      piece.set(head);
      const end = head.byteLength + size;
      const body = piece.subarray(head.byteLength, end);
      if (open.read(body) < size) throw changed(open.path);
      assertUnchanged(open, stat);
      const padded = end + paddingOf(size);
      piece.fill(0, end, padded);
      yield count(piece.subarray(0, padded));
      return scan ? scanner.classify(body) : undefined;
    }
    yield count(head);
    const scanning = scan ? scanner.start() : undefined;
    for (let left = size; left > 0; ) {
      const body = piece.subarray(0, Math.min(left, pieceSize));
      if (open.read(body) < body.byteLength) throw changed(open.path);
      scanning?.update(body);
      left -= body.byteLength;
      yield count(body);
    }
    assertUnchanged(open, stat);
    if (paddingOf(size) > 0) yield count(new Uint8Array(paddingOf(size)));
    return scanning?.end();
  }

  const parents = archiveName.split("/").slice(0, -1);
  for (let depth = 1; depth <= parents.length; depth++)
    yield count(
      encodeTarHeader({ type: "directory", name: `${parents.slice(0, depth).join("/")}/`, mode: 0o755 }),
    );
  yield* directory(request.directory ?? request.prefix, archiveName, "");

  const distribution: BinaryDistribution = {
    ...request.distribution,
    hardlinksDeduped: true,
    relocateBinaries: relocate.binary,
    relocateLinks: relocate.links,
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

const isMetadata = (below: string): boolean => below.startsWith(".spack/");

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
