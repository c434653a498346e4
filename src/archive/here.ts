import type { Gzip } from "node:zlib";

/** Most files of a package are whole in one piece of this size (bytes), and it stays in the processor's cache. */
const pieceSize = 512 * 1024;

/** Compresses or inflates in the calling thread. */
export interface Transformer {
  /** What comes of a chunk, each piece in the same memory. */
  pieces(chunk: Uint8Array): Generator<Uint8Array>;
  /** What is left. @throws where the end is missing */
  end(): Generator<Uint8Array>;
  close(): void;
}

/**
 * What a stream of node:zlib's does, without new memory for each piece and without another thread.
 * undefined where this Node does not have what is needed.
 * @param flush how zlib or zstd are told that more follows, and that nothing does
 * @param failure what to throw for an error of theirs
 */
export function openHere(
  stream: Gzip,
  flush: { readonly more: number; readonly last: number },
  failure: (cause: Error) => Error,
): Transformer | undefined {
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

  const run = function* (chunk: Uint8Array, how: number): Generator<Uint8Array> {
    for (let at = 0; ; ) {
      const given = chunk.byteLength - at;
      Reflect.apply(write, handle, [how, chunk, at, given, piece, 0, pieceSize]);
      if (failed !== undefined) throw failure(failed);
      const [space = 0, rest = 0] = left;
      at += given - rest;
      if (space < pieceSize) yield piece.subarray(0, pieceSize - space);
      // Room was left: it wants more input, or is at the end of a frame that another follows.
      if (space > 0 && (rest === 0 || rest === given)) return;
    }
  };
  return {
    pieces: (chunk) => run(chunk, flush.more),
    end: () => run(new Uint8Array(0), flush.last),
    close: () => void stream.destroy(),
  };
}
