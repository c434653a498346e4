import { Failure } from "../base/failure.js";

/** Bytes that can be read anywhere: a buffer, or a file of which only some pages are wanted. */
export interface ByteSource {
  readonly size: number;
  /** Fewer bytes only at the end. */
  read(offset: number, length: number): Uint8Array;
}

export function sourceOf(bytes: Uint8Array): ByteSource {
  return { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

/** Bytes read at once: headers, dynamic section and its strings mostly lie on two or three such pages. */
const pageSize = 16 * 1024;

/** Pages that are kept: who reads a file from end to end shall not hold all of it. */
const mostPages = 64;

/** Keeps what was read last, so that many small reads are few reads of pages. */
export function pagesOf({ size, read }: ByteSource): ByteSource {
  const pages = new Map<number, Uint8Array>();
  const page = (index: number): Uint8Array => {
    const known = pages.get(index);
    if (known !== undefined) return known;
    const bytes = read(index * pageSize, pageSize).slice();
    const [oldest] = pages.keys();
    if (oldest !== undefined && pages.size >= mostPages) pages.delete(oldest);
    pages.set(index, bytes);
    return bytes;
  };
  return {
    size,
    read(offset, length) {
      const end = Math.min(size, offset + length);
      const first = Math.floor(offset / pageSize);
      const from = offset - first * pageSize;
      if (end - first * pageSize <= pageSize)
        return page(first).subarray(from, from + Math.max(0, end - offset));
      return read(offset, end - offset);
    },
  };
}

/**
 * Exactly `length` bytes: headers of a damaged or hostile file may point anywhere.
 * @throws Failure `relocate.malformed`
 */
export function readExactly(source: ByteSource, offset: number, length: number, what: string): Uint8Array {
  const inside = offset >= 0 && length >= 0 && offset + length <= source.size;
  const bytes = inside ? source.read(offset, length) : undefined;
  if (bytes?.length !== length) throw malformed(`${what} is outside the file (${length} bytes at ${offset})`);
  return bytes;
}

export function malformed(message: string): Failure {
  return new Failure("corrupt", message, { code: "relocate.malformed" });
}
