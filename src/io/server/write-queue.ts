import { write } from "node:fs";
import { promisify } from "node:util";

const writeSome = promisify(write);

/** Writes to a file in another thread while the next bytes arrive. */
export interface WriteQueue {
  /** Takes a copy of a chunk; where there is no room for it yet, gives what to wait for first. */
  push(chunk: Uint8Array): Promise<void> | undefined;
  /** Writes the rest; the queue is of no use afterwards. @throws what writing failed with */
  end(): Promise<void>;
}

/** Bytes that are written at once. Twice that is held: one part fills while the other goes to the disk. */
const partBytes = 256 * 1024;

/** Parts that no upload uses now. Left to the garbage collector, those of a hundred uploads would gather first. */
const spareParts: Buffer[] = [];
const spareLimit = 16;

const takePart = (): Buffer => spareParts.pop() ?? Buffer.allocUnsafeSlow(partBytes);

/**
 * Chunks are copied together: fewer and larger writes, and a chunk of the network is garbage at once, so that an
 * upload takes the memory of its two parts and no more.
 */
export function createWriteQueue(fd: number): WriteQueue {
  let [filling, spare] = [takePart(), takePart()];
  let filled = 0;
  let writing: Promise<void> | undefined;
  let failed: { error: unknown } | undefined;

  async function writePart(part: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < part.byteLength; )
        at += (await writeSome(fd, part, at, part.byteLength - at)).bytesWritten;
    } catch (error) {
      failed = { error };
    }
    writing = undefined;
  }

  /** Hands over what is filled; the other part has been written by then. */
  function swap(): void {
    writing = writePart(filling.subarray(0, filled));
    [filling, spare] = [spare, filling];
    filled = 0;
  }

  async function pushInParts(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.byteLength; ) {
      const size = Math.min(partBytes - filled, chunk.byteLength - at);
      filling.set(chunk.subarray(at, at + size), filled);
      filled += size;
      at += size;
      if (filled < partBytes) continue;
      await writing;
      swap();
    }
    if (failed !== undefined) throw failed.error;
  }

  return {
    push(chunk) {
      if (filled + chunk.byteLength >= partBytes) return pushInParts(chunk);
      filling.set(chunk, filled);
      filled += chunk.byteLength;
      return undefined;
    },
    async end() {
      await writing;
      if (filled > 0) swap();
      await writing;
      spareParts.push(...[filling, spare].slice(0, spareLimit - spareParts.length));
      if (failed !== undefined) throw failed.error;
    },
  };
}
