import { createHash } from "node:crypto";
import { createGunzip } from "node:zlib";
import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { GzipSummary } from "./gzip.js";

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
export type GzipSizes = Pick<GzipSummary, "size" | "contentSize">;

/** @throws Failure `archive.bomb` for content that grows as no package does */
export function refuseBomb(
  { size, contentSize }: GzipSizes,
  { subject, allowance = defaultAllowance }: GunzipOptions,
): void {
  if (contentSize <= allowance || contentSize <= largestRatio * size) return;
  throw new Failure("corrupt", `refused to inflate ${subject}: it grows more than ${largestRatio} times`, {
    code: "archive.bomb",
    subject,
  });
}

/**
 * Inflates a gzip stream, while the next chunk is inflated in another thread. Both sides are hashed: compare the
 * summary, which is what the generator returns, with what was promised before anything made of the content is used.
 *
 * A chunk of the source may be reused once the next is asked for.
 * @throws Failure `archive.gzip-invalid`, `archive.bomb`
 */
export async function* inflate(
  compressed: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  options: GunzipOptions,
): AsyncGenerator<Uint8Array, GzipSummary> {
  const { subject } = options;
  const hash = createHash("sha256");
  const contentHash = createHash("sha256");
  let size = 0;
  let contentSize = 0;
  const stream = createGunzip({ chunkSize });
  // A stream that fails never calls back for the write under way.
  let stopped: ((error?: Error | null) => void) | undefined;
  stream.on("error", (error) => stopped?.(error));
  stream.on("close", () => stopped?.(stream.errored ?? new Error("closed")));

  const feed = async (): Promise<void> => {
    for await (const chunk of compressed) {
      checkInterrupted(options);
      hash.update(chunk);
      size += chunk.byteLength;
      await new Promise<void>((resolve, reject) => {
        stopped = (error) => (error ? reject(error) : resolve());
        stream.write(chunk, stopped);
      });
      options.advanced?.(chunk.byteLength);
    }
    stream.end();
  };
  const fed = feed().catch((error: Error) => {
    // Ends the loop below as well, which then fails with the same error.
    stream.destroy(error);
    throw error;
  });
  // Met below; until then it must not count as unhandled.
  fed.catch(() => undefined);
  try {
    for await (const chunk of stream) {
      contentHash.update(chunk);
      contentSize += chunk.byteLength;
      refuseBomb({ size, contentSize }, options);
      yield chunk;
    }
    await fed;
  } catch (error) {
    throw isZlibError(error) ? invalid(error, subject) : error;
  } finally {
    stream.destroy();
    await fed.catch(() => undefined);
  }
  return {
    digest: `sha256:${hash.digest("hex")}`,
    size,
    diffId: `sha256:${contentHash.digest("hex")}`,
    contentSize,
  };
}

/** Inflates a gzip stream into `write`, as `inflate` does. */
export async function gunzip(
  compressed: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  write: (chunk: Uint8Array) => void,
  options: GunzipOptions,
): Promise<GzipSummary> {
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

export function invalid(cause: Error, subject: string): Failure {
  return new Failure("corrupt", `cannot inflate ${subject}: ${cause.message}`, {
    code: "archive.gzip-invalid",
    subject,
    cause,
  });
}
