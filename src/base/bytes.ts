import { Failure } from "./failure.js";

/** A stream of bytes, read once, chunk by chunk. Chunks are not kept by the producer. */
export type Bytes = AsyncIterable<Uint8Array>;

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true });

export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** Text of UTF-8 bytes; undefined where they are not valid UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    // TextDecoder has one way to fail: the bytes are not UTF-8.
    return undefined;
  }
}

export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const only = chunks.length === 1 ? chunks[0] : undefined;
  if (only !== undefined) return only;
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.byteLength;
  }
  return all;
}

/**
 * Reads a whole stream into memory.
 * @throws Failure `bytes.too-large` past `limit` bytes: metadata is bounded, blobs are streamed instead
 */
export async function readAll(
  bytes: Bytes,
  { limit, subject }: { limit: number; subject: string },
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.byteLength;
    if (size > limit)
      throw new Failure("corrupt", `${subject} is larger than the ${limit} bytes it may have`, {
        code: "bytes.too-large",
        subject,
        hint: "No such document is that large: check the address, and who answers there.",
      });
    chunks.push(chunk);
  }
  return concat(chunks);
}

/** A stream of one chunk (of none for no bytes). */
export async function* bytesOf(chunk: Uint8Array): Bytes {
  if (chunk.byteLength > 0) yield chunk;
}
