import { createHash } from "node:crypto";
import { constants, crc32, deflateRaw } from "node:zlib";
import { type Call, checkInterrupted } from "../base/call.js";
import { defaultCompressor } from "./compressor.js";

/** `sha256:` and 64 hexadecimal digits. */
export type Sha256 = `sha256:${string}`;

/** Content and its compressed form, by size (bytes) and digest. */
export interface ArchiveSummary {
  /** Of the compressed bytes. */
  readonly digest: Sha256;
  readonly size: number;
  /** Of the content: for a tar archive its diff id. */
  readonly diffId: Sha256;
  readonly contentSize: number;
}

export interface GzipOptions extends Call {
  /** 1 to 9, as zlib has it. */
  readonly level?: number | undefined;
  /** Compresses by another library than zlib. */
  readonly compressMember?: CompressMember | undefined;
  /** Told after each block how many more bytes of content are done. */
  readonly advanced?: ((bytes: number) => void) | undefined;
}

/** Makes a whole gzip file of a block: several, one behind the other, are one again (RFC 1952, 2.2). */
export type CompressMember = (block: Uint8Array) => Promise<Uint8Array>;

/** Content of one member (bytes): it starts without a dictionary, so it is larger. */
const memberSize = 1024 * 1024;

/** Content of one deflate call (bytes). Part of the format: another size gives other bytes. */
const blockSize = 512 * 1024;
/** How far back deflate can refer (RFC 1951). */
const windowSize = 32 * 1024;
/** Blocks being compressed at once on Node's own thread pool, which has four threads by default. */
const inFlight = 4;

/**
 * Compresses content and hands the gzip bytes to `write`, in order, each call awaited.
 *
 * Blocks of fixed size are compressed in parallel, each with the end of the one before as its dictionary and
 * ended at a byte boundary, as pigz does: so the bytes depend on content and level, and on nothing else. Where
 * another library compresses, they are members of one gzip file.
 */
export async function gzip(
  content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  write: (bytes: Uint8Array) => void | Promise<void>,
  options: GzipOptions = {},
): Promise<ArchiveSummary> {
  const level = options.level ?? defaultCompressor.level;
  const { compressMember } = options;
  const whole = compressMember === undefined ? blockSize : memberSize;
  const contentHash = createHash("sha256");
  const hash = createHash("sha256");
  const started: Promise<Compressed>[] = [];
  const spare: Buffer[] = [];
  let check = 0;
  let contentSize = 0;
  let size = 0;
  let dictionary: Uint8Array | undefined;

  const emit = async (bytes: Uint8Array): Promise<void> => {
    hash.update(bytes);
    size += bytes.byteLength;
    await write(bytes);
  };
  const finishOldest = async (): Promise<void> => {
    const oldest = await started.shift();
    if (oldest === undefined) return;
    await emit(oldest.bytes);
    spare.push(oldest.block);
    options.advanced?.(oldest.length);
  };
  const start = async (block: Buffer, length: number, last: boolean): Promise<void> => {
    checkInterrupted(options);
    if (started.length >= inFlight) await finishOldest();
    const used = block.subarray(0, length);
    contentHash.update(used);
    if (compressMember === undefined) check = crc32(used, check);
    contentSize += length;
    const compressed = compressMember?.(used) ?? compress(used, { level, dictionary, last });
    const work = compressed.then((bytes) => ({ bytes, block, length }));
    // One that fails is met when its turn comes; until then it must not count as unhandled.
    work.catch(() => undefined);
    started.push(work);
    if (compressMember === undefined)
      dictionary = Buffer.from(used.subarray(Math.max(0, length - windowSize)));
  };

  if (compressMember === undefined) await emit(gzipHeader(level));
  let block: Buffer = Buffer.allocUnsafeSlow(whole);
  let filled = 0;
  for await (const chunk of content) {
    for (let at = 0; at < chunk.byteLength; ) {
      if (filled === whole) {
        await start(block, filled, false);
        block = spare.pop() ?? Buffer.allocUnsafeSlow(whole);
        filled = 0;
      }
      const count = Math.min(whole - filled, chunk.byteLength - at);
      block.set(chunk.subarray(at, at + count), filled);
      filled += count;
      at += count;
    }
  }
  await start(block, filled, true);
  while (started.length > 0) await finishOldest();
  if (compressMember === undefined) await emit(gzipTrailer(check, contentSize));
  return {
    digest: `sha256:${hash.digest("hex")}`,
    size,
    diffId: `sha256:${contentHash.digest("hex")}`,
    contentSize,
  };
}

interface Compressed {
  readonly bytes: Uint8Array;
  readonly block: Buffer;
  readonly length: number;
}

/** No name and no time; the operating system is "unknown", as what Node writes differs between builds (RFC 1952, 2.3). */
function gzipHeader(level: number): Uint8Array {
  const effort = level === 9 ? 2 : level === 1 ? 4 : 0;
  return Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, effort, 0xff);
}

function gzipTrailer(check: number, contentSize: number): Uint8Array {
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(check, 0);
  trailer.writeUInt32LE(contentSize % 2 ** 32, 4);
  return trailer;
}

function compress(
  block: Buffer,
  { level, dictionary, last }: { level: number; dictionary: Uint8Array | undefined; last: boolean },
): Promise<Uint8Array> {
  const finishFlush = last ? constants.Z_FINISH : constants.Z_SYNC_FLUSH;
  const chunkSize = 128 * 1024;
  return new Promise((resolve, reject) =>
    deflateRaw(block, { level, finishFlush, chunkSize, ...(dictionary && { dictionary }) }, (error, bytes) =>
      error === null ? resolve(bytes) : reject(error),
    ),
  );
}
