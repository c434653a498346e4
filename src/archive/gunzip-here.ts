import { checkInterrupted } from "../base/call.js";
import { type ArchiveSizes, type GunzipOptions, gunzip, refuseBomb } from "./gunzip.js";
import { openInflater, sniff } from "./inflater.js";

/**
 * Inflates gzip or zstd in the calling thread, each piece into the same memory: valid during `write`. Only the
 * format's own checksum is checked; whoever reads `compressed` checks its digest.
 *
 * A stream of zlib's takes new memory for each piece, which costs as much as inflating it, and hands every piece to
 * another thread and back; two packages at a time keep two processors busy without.
 * @throws Failure `archive.gzip-invalid`, `archive.zstd-invalid`, `archive.zstd-missing`, `archive.bomb`; what `write`
 * throws
 */
export async function gunzipHere(
  compressed: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  write: (piece: Uint8Array) => void,
  options: GunzipOptions,
): Promise<ArchiveSizes> {
  const { type, bytes } = await sniff(compressed, options.subject);
  const inflater = openInflater(type, options.subject);
  if (inflater === undefined) return await gunzip(bytes, write, options);
  let size = 0;
  let contentSize = 0;
  const pass = (pieces: Iterable<Uint8Array>): void => {
    for (const piece of pieces) {
      contentSize += piece.byteLength;
      refuseBomb({ size, contentSize }, options);
      write(piece);
    }
  };
  try {
    for await (const chunk of bytes) {
      checkInterrupted(options);
      size += chunk.byteLength;
      pass(inflater.pieces(chunk));
      options.advanced?.(chunk.byteLength);
    }
    pass(inflater.end());
    return { size, contentSize };
  } finally {
    inflater.close();
  }
}
