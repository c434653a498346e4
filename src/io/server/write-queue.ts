import { writev } from "node:fs";
import { promisify } from "node:util";
import { concat } from "../../base/bytes.js";

const writeSome = promisify(writev);

/** Bytes that may wait for the disk: enough for it to be busy while as many arrive. */
const waitingBytes = 1024 * 1024;

/** Writes to a file in another thread while the next bytes arrive. */
export interface WriteQueue {
  /** Takes a chunk; where much is waiting, gives what to wait for. */
  push(chunk: Uint8Array): Promise<void> | undefined;
  /** Resolves when everything is written. @throws what writing failed with */
  drained(): Promise<void>;
}

export function createWriteQueue(fd: number): WriteQueue {
  let waiting: Uint8Array[] = [];
  let size = 0;
  let writing: Promise<void> | undefined;
  let failed: { error: unknown } | undefined;

  async function writeWaiting(): Promise<void> {
    const chunks = waiting;
    waiting = [];
    size = 0;
    try {
      await writeAll(fd, chunks);
    } catch (error) {
      failed = { error };
    }
    writing = waiting.length > 0 && failed === undefined ? writeWaiting() : undefined;
  }

  return {
    push(chunk) {
      if (failed !== undefined) throw failed.error;
      waiting.push(chunk);
      size += chunk.byteLength;
      writing ??= writeWaiting();
      return size < waitingBytes ? undefined : writing;
    },
    async drained() {
      while (writing !== undefined) await writing;
      if (failed !== undefined) throw failed.error;
    },
  };
}

async function writeAll(fd: number, chunks: readonly Uint8Array[]): Promise<void> {
  const total = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  let { bytesWritten } = await writeSome(fd, chunks);
  while (bytesWritten < total)
    bytesWritten += (await writeSome(fd, [concat(chunks).subarray(bytesWritten)])).bytesWritten;
}
