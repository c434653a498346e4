import { type Bytes, concat } from "../../base/bytes.js";

/** Why a transfer was given up: the other side stopped moving. */
export class Stalled extends Error {}

/** A body on its way out, given up when nobody takes the next chunk for `idleTimeout` milliseconds. */
export async function* watched(
  bytes: Bytes,
  { idleTimeout, stalled }: { idleTimeout: number; stalled: AbortController },
): Bytes {
  const giveUp = (): void => stalled.abort(new Stalled(`took nothing for ${idleTimeout / 1000} s`));
  let timer: NodeJS.Timeout | undefined;
  try {
    for await (const chunk of bytes) {
      timer = setTimeout(giveUp, idleTimeout);
      yield chunk;
      clearTimeout(timer);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** The first bytes of a stream; the rest is not waited for. */
export async function readStart(bytes: Bytes, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size >= limit) break;
  }
  return concat(chunks).subarray(0, limit);
}
