import { constants, createGunzip } from "node:zlib";
import { checkInterrupted } from "../base/call.js";
import { type GunzipOptions, type GzipSizes, gunzip, invalid, refuseBomb } from "./gunzip.js";

/** Most files of a package are whole in one piece of this size (bytes), and it stays in the processor's cache. */
const pieceSize = 512 * 1024;

/**
 * Inflates a gzip stream in the calling thread, each piece into the same memory: valid during `write`. Only gzip's own
 * checksum is checked; whoever reads `compressed` checks its digest.
 *
 * A stream of zlib's takes new memory for each piece, which costs as much as inflating it, and hands every piece to
 * another thread and back; two packages at a time keep two processors busy without.
 * @throws Failure `archive.gzip-invalid`, `archive.bomb`; what `write` throws
 */
export async function gunzipHere(
  compressed: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  write: (piece: Uint8Array) => void,
  options: GunzipOptions,
): Promise<GzipSizes> {
  const inflater = openInflater();
  if (inflater === undefined) return await gunzip(compressed, write, options);
  const piece = Buffer.allocUnsafeSlow(pieceSize);
  let size = 0;
  let contentSize = 0;

  const inflate = (chunk: Uint8Array, flush: number): void => {
    for (let at = 0; ; ) {
      const { read, written } = inflateOnce(inflater, { flush, chunk, at, piece, subject: options.subject });
      at += read;
      contentSize += written;
      refuseBomb({ size, contentSize }, options);
      if (written > 0) write(piece.subarray(0, written));
      // Room was left: it wants more input.
      if (written < piece.byteLength) return;
    }
  };
  try {
    for await (const chunk of compressed) {
      checkInterrupted(options);
      size += chunk.byteLength;
      inflate(chunk, constants.Z_NO_FLUSH);
      options.advanced?.(chunk.byteLength);
    }
    inflate(new Uint8Array(0), constants.Z_FINISH);
    return { size, contentSize };
  } finally {
    inflater.close();
  }
}

/** The synchronous call that Node's `gunzipSync` is made of; it has no public name. */
interface Inflater {
  /** Bytes that are left after a call: of the output, of the input. */
  readonly left: Uint32Array;
  readonly write: (...call: readonly unknown[]) => void;
  /** What the last call found wrong. */
  error(): Error | undefined;
  close(): void;
}

/** undefined where this Node does not have it: then a stream has to do. */
export function openInflater(): Inflater | undefined {
  const stream = createGunzip();
  const handle: unknown = Reflect.get(stream, "_handle");
  const left: unknown = Reflect.get(stream, "_writeState");
  if (typeof handle === "object" && handle !== null && left instanceof Uint32Array) {
    const write: unknown = Reflect.get(handle, "writeSync");
    if (typeof write === "function") {
      let error: Error | undefined;
      const onError = (message: string, _: number, code: string) => {
        error = Object.assign(new Error(message), { code });
      };
      if (Reflect.set(handle, "onerror", onError))
        return {
          left,
          write: (...call) => void Reflect.apply(write, handle, call),
          error: () => error,
          close: () => void stream.destroy(),
        };
    }
  }
  stream.destroy();
  return undefined;
}

function inflateOnce(
  { left, write, error }: Inflater,
  {
    flush,
    chunk,
    at,
    piece,
    subject,
  }: {
    readonly flush: number;
    readonly chunk: Uint8Array;
    readonly at: number;
    readonly piece: Uint8Array;
    readonly subject: string;
  },
): { read: number; written: number } {
  const given = chunk.byteLength - at;
  write(flush, chunk, at, given, piece, 0, piece.byteLength);
  const failed = error();
  if (failed !== undefined) throw invalid(failed, subject);
  const [space = 0, rest = 0] = left;
  return { read: given - rest, written: piece.byteLength - space };
}
