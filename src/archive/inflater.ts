import { constants, createGunzip, type Gzip } from "node:zlib";
import { Failure } from "../base/failure.js";
import type { CompressionType } from "./compressor.js";
import { hasZstd, openUnzstd, zstdMissing } from "./zstd.js";

/** Most files of a package are whole in one piece of this size (bytes), and it stays in the processor's cache. */
const pieceSize = 512 * 1024;

/** Inflates in the calling thread. */
export interface Inflater {
  /** What a chunk inflates to, each piece in the same memory. */
  pieces(chunk: Uint8Array): Generator<Uint8Array>;
  /** What is left. @throws Failure where the end is missing */
  end(): Generator<Uint8Array>;
  close(): void;
}

/**
 * Reads gzip files and zstd frames, also several, one behind the other (zlib's streams stop after one of zstd's).
 * undefined where this Node does not have what is needed: then a stream has to do.
 */
export function openInflater(type: CompressionType, subject: string): Inflater | undefined {
  const stream: Gzip = type === "zstd" ? openUnzstd() : createGunzip();
  // The synchronous call that Node's `gunzipSync` is made of; it has no public name.
  const handle: unknown = Reflect.get(stream, "_handle");
  /** Bytes that are left after a call: of the output, of the input. */
  const left: unknown = Reflect.get(stream, "_writeState");
  const write: unknown =
    typeof handle === "object" && handle !== null ? Reflect.get(handle, "writeSync") : undefined;
  let failed: Error | undefined;
  const onError = (message: string, _: number, code: string): void => {
    failed = Object.assign(new Error(message), { code });
  };
  if (
    typeof handle !== "object" ||
    handle === null ||
    typeof write !== "function" ||
    !(left instanceof Uint32Array) ||
    !Reflect.set(handle, "onerror", onError)
  ) {
    stream.destroy();
    return undefined;
  }
  const piece = Buffer.allocUnsafeSlow(pieceSize);

  const inflate = function* (chunk: Uint8Array, flush: number): Generator<Uint8Array> {
    for (let at = 0; ; ) {
      const given = chunk.byteLength - at;
      Reflect.apply(write, handle, [flush, chunk, at, given, piece, 0, pieceSize]);
      if (failed !== undefined) throw invalid(failed, { subject, type });
      const [space = 0, rest = 0] = left;
      at += given - rest;
      if (space < pieceSize) yield piece.subarray(0, pieceSize - space);
      // Room was left: it wants more input, or is at the end of a frame that another follows.
      if (space > 0 && (rest === 0 || rest === given)) return;
    }
  };
  const [more, last] = type === "zstd" ? [0, 2] : [constants.Z_NO_FLUSH, constants.Z_FINISH];
  return {
    pieces: (chunk) => inflate(chunk, more),
    end: () => inflate(new Uint8Array(0), last),
    close: () => void stream.destroy(),
  };
}

export function invalid(
  cause: Error,
  { subject, type }: { readonly subject: string; readonly type: CompressionType },
): Failure {
  const message = `cannot inflate ${subject}: ${cause.message}`;
  return type === "zstd"
    ? new Failure("corrupt", message, { code: "archive.zstd-invalid", subject, cause })
    : new Failure("corrupt", message, { code: "archive.gzip-invalid", subject, cause });
}

/** RFC 8878, 3.1.1; frames to be skipped (3.1.2) do not come first. */
const zstdMagic = 0xfd2fb528;

/**
 * How bytes are compressed, by how they begin, and all of them; what is not zstd's is for gunzip to judge.
 * @throws Failure `archive.zstd-missing`
 */
export async function sniff(
  source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  subject: string,
): Promise<{ readonly type: CompressionType; readonly bytes: AsyncIterable<Uint8Array> }> {
  const chunks = (async function* () {
    yield* source;
  })();
  let head: Uint8Array = new Uint8Array(0);
  while (head.byteLength < 4) {
    const { done, value } = await chunks.next();
    if (done === true) break;
    // Longer ones are not copied: they are valid until the next is asked for.
    head = head.byteLength === 0 && value.byteLength >= 4 ? value : Buffer.concat([head, value]);
  }
  const { buffer, byteOffset, byteLength } = head;
  const isZstd = byteLength >= 4 && new DataView(buffer, byteOffset).getUint32(0, true) === zstdMagic;
  if (isZstd && !hasZstd) {
    await chunks.return();
    throw zstdMissing(`${subject} is compressed with zstd`);
  }
  return {
    type: isZstd ? "zstd" : "gzip",
    bytes: (async function* () {
      if (byteLength > 0) yield head;
      yield* chunks;
    })(),
  };
}
