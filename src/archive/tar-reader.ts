import { Failure } from "../base/failure.js";
import { decodeFileName } from "../base/file-name.js";
import { blockSize, paddingOf, type TarEntryType } from "./tar-header.js";

/** An entry as the archive has it: nothing of it is to be trusted. */
export interface ReadTarEntry {
  /** `other` for what Spack never writes: devices, fifos, sparse files. */
  readonly type: TarEntryType | "other";
  readonly name: string;
  readonly mode: number;
  /** Bytes of content that follow. */
  readonly size: number;
  readonly linkName: string;
}

export interface TarSink {
  entry(entry: ReadTarEntry): void;
  /** Content of the entry before; valid during the call. */
  data(chunk: Uint8Array): void;
}

export interface TarReader {
  push(chunk: Uint8Array): void;
  /** @throws Failure `archive.truncated` where the archive does not end here */
  end(): void;
}

/** An extended header or a GNU long name larger than this is no name (bytes). */
const longestExtension = 1024 * 1024;

const endedByZeros = "end";

/** Zeros that may follow the end mark (bytes): Python fills up to 10 KiB, GNU tar to what its user likes. */
const mostPadding = 16 * 1024 * 1024;

/**
 * Reads a tar archive that comes in chunks: ustar, PAX (path, linkpath, size), GNU long names.
 * @throws Failure `archive.header-invalid`, `archive.truncated`; what the sink throws
 */
export function createTarReader(sink: TarSink, subject: string): TarReader {
  const header = Buffer.alloc(blockSize);
  let filled = 0;
  /** What the bytes at hand belong to. */
  let state: "header" | "content" | "extension" | "padding" | typeof endedByZeros = "header";
  let left = 0;
  let padding = 0;
  let trailing = 0;
  let extension: Extension | undefined;
  /** Names and size that an extension gave for the next entry. */
  let overrides: Overrides = {};

  const afterContent = (): void => {
    left = padding;
    state = padding > 0 ? "padding" : "header";
  };

  const readHeader = (): void => {
    if (isZero(header)) {
      state = endedByZeros;
      return;
    }
    const fields = decodeHeader(header, subject);
    const kind = extensionKinds[fields.flag];
    if (kind !== undefined) {
      if (fields.size > longestExtension)
        throw invalid(subject, `an extended header of ${fields.size} bytes`);
      extension = { kind, body: Buffer.alloc(fields.size), filled: 0 };
      left = fields.size;
      padding = paddingOf(left);
      state = "extension";
      if (left === 0) afterContent();
      return;
    }
    const { name, size, linkName, sparse } = overrides;
    overrides = {};
    left = size ?? fields.size;
    sink.entry({
      type: sparse === true ? "other" : typeOf(fields),
      name: name ?? fields.name,
      mode: fields.mode,
      size: left,
      linkName: linkName ?? fields.linkName,
    });
    padding = paddingOf(left);
    state = "content";
    if (left === 0) afterContent();
  };

  const step = (chunk: Uint8Array, at: number): number => {
    const count = Math.min(state === "header" ? blockSize - filled : left, chunk.byteLength - at);
    if (state === "header") {
      header.set(chunk.subarray(at, at + count), filled);
      filled += count;
      if (filled === blockSize) {
        filled = 0;
        readHeader();
      }
      return count;
    }
    left -= count;
    if (state === "content") sink.data(chunk.subarray(at, at + count));
    if (state === "extension" && extension !== undefined) {
      extension.body.set(chunk.subarray(at, at + count), extension.filled);
      extension.filled += count;
      if (left === 0) overrides = { ...overrides, ...overridesOf(extension, subject) };
    }
    if (left === 0) {
      if (state === "padding") state = "header";
      else afterContent();
    }
    return count;
  };

  return {
    push: (chunk) => {
      for (let at = 0; at < chunk.byteLength; ) {
        if (state === endedByZeros) {
          trailing += chunk.byteLength - at;
          if (trailing > mostPadding || !isZero(chunk.subarray(at)))
            throw invalid(subject, "more after its end");
          return;
        }
        at += step(chunk, at);
      }
    },
    end: () => {
      if (state === endedByZeros) return;
      throw new Failure("corrupt", `${subject} is not whole: it ends before its end mark`, {
        code: "archive.truncated",
        subject,
      });
    },
  };
}

interface Extension {
  readonly kind: "pax" | "ignored" | "name" | "linkName";
  readonly body: Buffer;
  filled: number;
}

interface Overrides {
  readonly name?: string;
  readonly linkName?: string;
  readonly size?: number;
  readonly sparse?: boolean;
}

const extensionKinds: Readonly<Record<string, Extension["kind"]>> = {
  x: "pax",
  // A global header says what no entry of Spack's needs (git's says the commit).
  g: "ignored",
  L: "name",
  K: "linkName",
};

const types: Readonly<Record<string, TarEntryType>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "5": "directory",
};

interface HeaderFields {
  readonly flag: string;
  readonly name: string;
  readonly mode: number;
  readonly size: number;
  readonly linkName: string;
}

/** Before POSIX a directory was a file whose name ends in a slash. */
const typeOf = ({ flag, name }: HeaderFields): ReadTarEntry["type"] =>
  flag === "\0" && name.endsWith("/") ? "directory" : (types[flag] ?? "other");

function decodeHeader(header: Buffer, subject: string): HeaderFields {
  let sum = 8 * 0x20;
  for (let at = 0; at < blockSize; at++) if (at < 148 || at >= 156) sum += header[at] ?? 0;
  if (number(header, { at: 148, length: 8, subject }) !== sum)
    throw invalid(subject, "a header whose checksum is wrong");
  const name = text(header, 0, 100);
  // GNU tar's own format uses the bytes of the prefix field for other things.
  const prefix = header.toString("latin1", 257, 263) === "ustar\0" ? text(header, 345, 155) : "";
  return {
    flag: String.fromCharCode(header[156] ?? 0),
    name: prefix === "" ? name : `${prefix}/${name}`,
    mode: number(header, { at: 100, length: 8, subject }),
    size: number(header, { at: 124, length: 12, subject }),
    linkName: text(header, 157, 100),
  };
}

function text(header: Buffer, at: number, length: number): string {
  // Most fields are empty, most others ASCII: what else there is takes ten times as long.
  if (header[at] === 0) return "";
  const nul = header.indexOf(0, at);
  const end = nul === -1 ? at + length : Math.min(nul, at + length);
  const plain = header.toString("latin1", at, end);
  return /^[\0-\x7f]*$/.test(plain) ? plain : decodeFileName(header.subarray(at, end));
}

/** Octal digits, or binary where the first bit is set (GNU, for large numbers). */
function number(
  header: Buffer,
  { at, length, subject }: { at: number; length: number; subject: string },
): number {
  const first = header[at] ?? 0;
  if (first === 0x80) {
    const value = header.subarray(at + 1, at + length).reduce((sum, byte) => sum * 256 + byte, 0);
    if (Number.isSafeInteger(value)) return value;
    throw invalid(subject, "a number that is too large");
  }
  const end = at + length;
  let value = 0;
  let next = at;
  while (next < end && header[next] === 0x20) next += 1;
  for (; next < end; next += 1) {
    const digit = (header[next] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; next < end; next += 1)
    if (header[next] !== 0 && header[next] !== 0x20) throw invalid(subject, "a number that is none");
  return value;
}

function overridesOf({ kind, body }: Extension, subject: string): Overrides {
  switch (kind) {
    case "ignored":
      return {};
    case "name":
      return { name: decodeFileName(withoutEnd(body)) };
    case "linkName":
      return { linkName: decodeFileName(withoutEnd(body)) };
    case "pax":
      return paxOverrides(body, subject);
  }
}

const withoutEnd = (body: Buffer): Buffer => (body.at(-1) === 0 ? body.subarray(0, -1) : body);

/** `LENGTH KEY=VALUE\n`, again and again (POSIX.1-2017, pax Extended Header). */
function paxOverrides(body: Buffer, subject: string): Overrides {
  let overrides: Overrides = {};
  for (let at = 0; at < body.byteLength; ) {
    const blank = body.indexOf(0x20, at);
    const digits = blank === -1 ? "" : body.toString("latin1", at, blank);
    const length = /^[1-9]\d{0,7}$/.test(digits) ? Number(digits) : 0;
    const equals = body.indexOf(0x3d, blank);
    const end = at + length - 1;
    if (length === 0 || equals === -1 || equals >= end || body[end] !== 0x0a)
      throw invalid(subject, "an extended header that cannot be read");
    const key = body.toString("latin1", blank + 1, equals);
    const value = body.subarray(equals + 1, end);
    if (key === "path") overrides = { ...overrides, name: decodeFileName(value) };
    if (key === "linkpath") overrides = { ...overrides, linkName: decodeFileName(value) };
    if (key === "size") overrides = { ...overrides, size: decimal(value, subject) };
    if (key.startsWith("GNU.sparse.")) overrides = { ...overrides, sparse: true };
    at += length;
  }
  return overrides;
}

function decimal(value: Buffer, subject: string): number {
  const digits = value.toString("latin1");
  if (!/^\d{1,15}$/.test(digits)) throw invalid(subject, "a size that is none");
  return Number(digits);
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

function invalid(subject: string, found: string): Failure {
  return new Failure("corrupt", `${subject} is no archive that can be read: it has ${found}`, {
    code: "archive.header-invalid",
    subject,
  });
}
