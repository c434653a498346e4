import { Failure } from "./failure.js";

// File names are bytes. Here they are text in which each byte that is not UTF-8 is one lone surrogate,
// U+DC80 to U+DCFF (Python's "surrogateescape", PEP 383): names print, compare and travel through JSON as
// any text does, nothing is lost, and the order and JSON of Spack (which is Python) come out the same.

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Whether a name is plain Unicode: then its UTF-8 is its bytes. */
export const isPlainName = (name: string): boolean => !/\p{Surrogate}/u.test(name);

export function decodeFileName(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    // Not UTF-8: character by character.
  }
  let name = "";
  for (let at = 0; at < bytes.byteLength; ) {
    const lead = bytes[at] ?? 0;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    try {
      name += decoder.decode(bytes.subarray(at, at + length));
      at += length;
    } catch {
      name += String.fromCharCode(0xdc00 + lead);
      at += 1;
    }
  }
  return name;
}

/** @throws Failure `file.name-invalid` for a surrogate that stands for no byte */
export function encodeFileName(name: string): Uint8Array {
  if (isPlainName(name)) return encoder.encode(name);
  const bytes: number[] = [];
  for (const character of name) {
    const unit = character.codePointAt(0) ?? 0;
    if (unit < 0xd800 || unit > 0xdfff) bytes.push(...encoder.encode(character));
    else if (unit >= 0xdc80 && unit <= 0xdcff) bytes.push(unit - 0xdc00);
    else
      throw new Failure("corrupt", `${JSON.stringify(name)} cannot be a file name`, {
        code: "file.name-invalid",
        subject: name,
      });
  }
  return Uint8Array.from(bytes);
}

/** Orders names by code point, as Python does; JavaScript's own order is by UTF-16 unit. */
export function compareFileNames(a: string, b: string): number {
  if (a === b) return 0;
  if (!/[\ud800-\udfff]/.test(a + b)) return a < b ? -1 : 1;
  const [left, right] = [Array.from(a), Array.from(b)];
  for (let at = 0; at < left.length && at < right.length; at++) {
    const difference = (left[at]?.codePointAt(0) ?? 0) - (right[at]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
