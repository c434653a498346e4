import { close, openSync, read } from "node:fs";
import { promisify } from "node:util";
import type { Bytes } from "../../base/bytes.js";

const readSome = promisify(read);
const closeFile = promisify(close);

/** Bytes that are read at once: twice as many are no faster to send, and leave more garbage than memory is to grow by. */
const chunkBytes = 128 * 1024;

/** Bytes `start` up to, and not with, `end` of a file; the next are read while these are in use. */
export async function* readFileRange(path: string, { start, end }: { start: number; end: number }): Bytes {
  const fd = openSync(path, "r");
  let reading: Promise<Uint8Array> | undefined;
  try {
    const readAt = async (at: number): Promise<Uint8Array> => {
      const buffer = Buffer.allocUnsafeSlow(Math.min(chunkBytes, end - at));
      const { bytesRead } = await readSome(fd, buffer, 0, buffer.byteLength, at);
      return buffer.subarray(0, bytesRead);
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
