import { isAscii, isUtf8 } from "node:buffer";
import { encodeFileName } from "../base/file-name.js";

/** What of a file must be rewritten when its package moves to another prefix, by Spack's rules. */
export type Relocatable = "binary" | "text" | undefined;

/** Looks at files as they are read; one scan a file, its chunks in order. */
export interface RelocatableScanner {
  /** Whether a whole file names one of the prefixes, wherever it stands. */
  names(content: Uint8Array): boolean;
  /** Of a whole file; `named` is what `names` says of it. */
  classify(content: Uint8Array, named?: boolean): Relocatable;
  /** Of a file in chunks; the first holds at least 8 bytes unless the file is shorter. */
  start(): { update(chunk: Uint8Array): void; end(): Relocatable };
}

/**
 * A scanner for text that holds one of the prefixes, standing where a path starts:
 * `(?<![\w\-_/])([\w\-_]*?)(PREFIX)`, over bytes.
 */
export function createRelocatableScanner(prefixes: readonly string[]): RelocatableScanner {
  // A prefix that starts with another one is found wherever the other is.
  const needles = [...new Set(prefixes)]
    .filter((prefix) => !prefixes.some((other) => other !== prefix && prefix.startsWith(other)))
    .map((prefix) => Buffer.from(encodeFileName(prefix)));
  const longest = Math.max(1, ...needles.map((needle) => needle.byteLength));

  /** `opens` tells whether a path may start at the window's first byte. */
  const found = (window: Buffer, opens: boolean): boolean =>
    needles.some((needle) => {
      for (let at = window.indexOf(needle); at !== -1; at = window.indexOf(needle, at + 1))
        if (opensPath(window, at, opens)) return true;
      return false;
    });

  const start: RelocatableScanner["start"] = () => {
    let kind: "unknown" | "binary" | "text" | "neither" = "unknown";
    let matched = false;
    let tail = Buffer.alloc(0);
    let tailOpens = true;
    const text = createTextTest();
    return {
      update: (chunk) => {
        if (kind === "unknown")
          kind = chunk.byteLength < 8 ? "neither" : isExecutable(chunk) ? "binary" : "text";
        if (kind !== "text") return;
        if (!text.update(chunk)) {
          kind = "neither";
          return;
        }
        if (matched) return;
        const fresh = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
        const window = tail.byteLength === 0 ? fresh : Buffer.concat([tail, fresh]);
        matched = found(window, tailOpens);
        // A match may span chunks: so many bytes are looked at again, with what stood before them.
        const from = Math.max(0, window.byteLength - (longest - 1));
        tailOpens = opensPath(window, from, tailOpens);
        tail = Buffer.from(window.subarray(from));
      },
      end: () => {
        if (kind === "binary") return "binary";
        return kind === "text" && matched && text.end() ? "text" : undefined;
      },
    };
  };

  const names: RelocatableScanner["names"] = (content) => {
    const buffer = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
    return needles.some((needle) => buffer.includes(needle));
  };

  return {
    start,
    names,
    classify: (content, named = names(content)) => {
      if (content.byteLength < 8) return undefined;
      if (isExecutable(content)) return "binary";
      // Most files name no prefix: only one that does is looked at closer.
      if (!named) return undefined;
      if (!found(Buffer.from(content.buffer, content.byteOffset, content.byteLength), true)) return undefined;
      const text = createTextTest();
      return text.update(content) && text.end() ? "text" : undefined;
    },
  };
}

/** Whether a path may start at `at`: what stands before it, after any word characters, is no slash. */
function opensPath(window: Uint8Array, at: number, opensAtStart: boolean): boolean {
  let before = at - 1;
  while (before >= 0 && isWordOrDash(window[before] ?? 0)) before -= 1;
  return before < 0 ? opensAtStart : window[before] !== slash;
}

const slash = 0x2f;

const isWordOrDash = (byte: number): boolean =>
  (byte >= 0x61 && byte <= 0x7a) ||
  (byte >= 0x41 && byte <= 0x5a) ||
  (byte >= 0x30 && byte <= 0x39) ||
  byte === 0x5f ||
  byte === 0x2d;

/** ELF or Mach-O, by the first 8 bytes. */
function isExecutable(content: Uint8Array): boolean {
  const view = new DataView(content.buffer, content.byteOffset, 8);
  switch (view.getUint32(0)) {
    case 0x7f454c46: // ELF
    case 0xfeedface: // Mach-O, 32 and 64 bit, both byte orders
    case 0xfeedfacf:
    case 0xcefaedfe:
    case 0xcffaedfe:
      return true;
    // A fat Mach-O says how many parts it has where a Java class has its version, at least 45.
    case 0xcafebabe:
      return view.getUint32(4) < 10;
    case 0xbebafeca:
      return view.getUint32(4, true) < 10;
    default:
      return false;
  }
}

/** Text is UTF-8 (NUL allowed), or else holds none of the bytes 00 and 7f to 9f (ISO 8859-1 without controls). */
function createTextTest(): { update(chunk: Uint8Array): boolean; end(): boolean } {
  let utf8 = true;
  let latin1 = true;
  let cut = Buffer.alloc(0);
  return {
    /** Whether it may still be text. */
    update: (chunk) => {
      if (latin1) latin1 = isLatin1Text(chunk);
      if (utf8) {
        const joined = cut.byteLength === 0 ? chunk : Buffer.concat([cut, chunk]);
        const whole = joined.byteLength - unfinished(joined);
        utf8 = isUtf8(joined.subarray(0, whole));
        cut = Buffer.from(joined.subarray(whole));
      }
      return utf8 || latin1;
    },
    end: () => latin1 || (utf8 && cut.byteLength === 0),
  };
}

function isLatin1Text(chunk: Uint8Array): boolean {
  if (chunk.includes(0)) return false;
  if (isAscii(chunk)) return !chunk.includes(0x7f);
  return !chunk.some((byte) => byte >= 0x7f && byte <= 0x9f);
}

/** How many bytes at the end begin a UTF-8 character that they do not finish. */
function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.byteLength; back++) {
    const byte = bytes[bytes.byteLength - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
}
