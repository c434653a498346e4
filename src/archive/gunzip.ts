import { createHash } from "node:crypto";
import { createGunzip } from "node:zlib";
import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { ArchiveSummary } from "./gzip.js";
import { invalid, openInflater, sniff } from "./inflater.js";
import { through } from "./through.js";

export interface GunzipOptions extends Call {
  /** The archive, for messages. */
  readonly subject: string;
  /** Bytes that content may always have, however few it was compressed to. */
  readonly allowance?: number | undefined;
  /** Told after each chunk how many more compressed bytes are done. */
  readonly advanced?: ((bytes: number) => void) | undefined;
}

/** Larger chunks than zlib's own inflate a third faster (bytes). */
const chunkSize = 128 * 1024;

/** Deflate reaches 1032; a package that large as a whole is made to fill disks. */
const largestRatio = 200;
/** What no limit of the ratio is needed for: one package may well be so large (bytes). */
const defaultAllowance = 8 * 1024 ** 3;

/** Bytes of both sides. */
export type ArchiveSizes = Pick<ArchiveSummary, "size" | "contentSize">;

/** @throws Failure `archive.bomb` for content that grows as no package does */
export function refuseBomb(
  { size, contentSize }: ArchiveSizes,
  { subject, allowance = defaultAllowance }: GunzipOptions,
): void {
  if (contentSize <= allowance || contentSize <= largestRatio * size) return;
  throw new Failure("corrupt", `refused to inflate ${subject}: it grows more than ${largestRatio} times`, {
    code: "archive.bomb",
    subject,
  });
}

/**
 * Inflates gzip or zstd. Both sides are hashed: compare the summary, which is what the generator returns, with what was
 * promised before anything made of the content is used.
 *
 * A chunk of the source may be reused once the next is asked for.
 * @throws Failure `archive.gzip-invalid`, `archive.zstd-invalid`, `archive.zstd-missing`, `archive.bomb`
 */
export async function* inflate(
  compressed: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  options: GunzipOptions,
): AsyncGenerator<Uint8Array, ArchiveSummary> {
  const { subject } = options;
  const hash = createHash("sha256");
  const contentHash = createHash("sha256");
  let size = 0;
  let contentSize = 0;
  const seen = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of compressed) {
      checkInterrupted(options);
      hash.update(chunk);
      size += chunk.byteLength;
      yield chunk;
      options.advanced?.(chunk.byteLength);
    }
  };
  const { type, bytes } = await sniff(seen(), subject);
  try {
    for await (const chunk of type === "zstd"
      ? unzstd(bytes, subject)
      : through(createGunzip({ chunkSize }), bytes)) {
      contentHash.update(chunk);
      contentSize += chunk.byteLength;
      refuseBomb({ size, contentSize }, options);
      yield chunk;
    }
  } catch (error) {
    throw isZlibError(error) ? invalid(error, { subject, type }) : error;
  }
  return {
    digest: `sha256:${hash.digest("hex")}`,
    size,
    diffId: `sha256:${contentHash.digest("hex")}`,
    contentSize,
  };
}

/** All frames, as no stream of zlib's does. */
async function* unzstd(bytes: AsyncIterable<Uint8Array>, subject: string): AsyncGenerator<Uint8Array> {
  const inflater = openInflater("zstd", subject);
  if (inflater === undefined) throw new Error("this Node's zstd is not what it was");
  try {
    for await (const chunk of bytes) for (const piece of inflater.pieces(chunk)) yield Buffer.from(piece);
    for (const piece of inflater.end()) yield Buffer.from(piece);
  } finally {
    inflater.close();
  }
}

/** Inflates gzip or zstd into `write`, as `inflate` does. */
export async function gunzip(
  compressed: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  write: (chunk: Uint8Array) => void,
  options: GunzipOptions,
): Promise<ArchiveSummary> {
  const chunks = inflate(compressed, options);
  for (;;) {
    const next = await chunks.next();
    if (next.done) return next.value;
    try {
      write(next.value);
    } catch (error) {
      // Ends the streams on both sides before the caller hears of it.
      await chunks.throw(error).catch(() => undefined);
      throw error;
    }
  }
}

/** zlib's own codes: Z_DATA_ERROR, Z_BUF_ERROR, ... */
const isZlibError = (error: unknown): error is Error =>
  error instanceof Error && "code" in error && String(error.code).startsWith("Z_");
