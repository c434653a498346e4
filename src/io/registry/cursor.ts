import type { Bytes } from "../../base/bytes.js";

/** Content read in pieces: one after the other from one reading, any other from a reading anew. */
export interface Cursor {
  /** Bytes `from` up to but without `to`. What was taken before, and not to its end, is over. */
  take(from: number, to: number): Bytes;
  close(): void;
}

export function createCursor(open: () => Bytes): Cursor {
  let source: AsyncIterator<Uint8Array> | undefined;
  let position = 0;
  let rest: Uint8Array = new Uint8Array();
  let isTaking = false;

  function close(): void {
    // How a reading ends that nobody wants any more is nobody's concern; it may be stuck, so it is not waited for.
    source?.return?.().catch(() => {});
    source = undefined;
  }

  return {
    close,
    async *take(from, to) {
      if (source === undefined || isTaking || position !== from) {
        close();
        source = open()[Symbol.asyncIterator]();
        position = 0;
        rest = new Uint8Array();
      }
      const current = source;
      isTaking = true;
      while (position < to) {
        if (rest.byteLength === 0) {
          const next = await current.next();
          if (next.done === true || current !== source) return;
          rest = next.value;
        }
        const skipped = Math.min(rest.byteLength, Math.max(0, from - position));
        const piece = rest.subarray(skipped, skipped + to - Math.max(position, from));
        position += skipped + piece.byteLength;
        rest = rest.subarray(skipped + piece.byteLength);
        if (piece.byteLength > 0) yield piece;
        if (current !== source) return;
      }
      isTaking = false;
    },
  };
}
