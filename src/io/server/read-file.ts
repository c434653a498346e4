import { close, openSync, read } from "node:fs";
import { promisify } from "node:util";
import type { Bytes } from "../../base/bytes.js";

const readSome = promisify(read);
const closeFile = promisify(close);

/** Bytes that are read at once: each time costs a trip through the thread pool. */
const chunkBytes = 256 * 1024;

/**
 * Bytes `start` up to, and not with, `end` of a file. A chunk is its reader's until the next is asked for: two buffers
 * take turns, one in use while the other is filled, since new ones for each chunk cost more than their bytes.
 */
export async function* readFileRange(path: string, { start, end }: { start: number; end: number }): Bytes {
  const fd = openSync(path, "r");
  let reading: Promise<Uint8Array> | undefined;
  try {
    const size = Math.min(chunkBytes, end - start);
    const buffers: Buffer[] = [];
    let turn = 0;
    const readAt = async (at: number): Promise<Uint8Array> => {
      const buffer = buffers[turn] ?? Buffer.allocUnsafeSlow(size);
      buffers[turn] = buffer;
      turn = 1 - turn;
      const wanted = Math.min(size, end - at);
      let filled = 0;
      while (filled < wanted) {
        const { bytesRead } = await readSome(fd, buffer, filled, wanted - filled, at + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    };
    reading = start < end ? readAt(start) : undefined;
    for (let at = start; reading !== undefined; ) {
      const chunk: Uint8Array = await reading;
      at += chunk.byteLength;
      // A file that has become shorter ends the stream early, which its reader notices.
      reading = at < end && chunk.byteLength > 0 ? readAt(at) : undefined;
      yield chunk;
    }
  } finally {
    // The reader may leave while the next read is under way in another thread: the file is its until then.
    await reading?.catch(() => undefined);
    await closeFile(fd);
  }
}
