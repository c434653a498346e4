import { encodeFileName, isPlainName } from "../base/file-name.js";

/** Unit of a tar archive (POSIX.1-2017, pax, "ustar Interchange Format"). */
export const blockSize = 512;

/** Archives are filled up to a multiple of this (Python's RECORDSIZE). */
export const recordSize = 20 * blockSize;

export type TarEntryType = "file" | "directory" | "symlink" | "hardlink";

export interface TarEntry {
  readonly type: TarEntryType;
  /** Path in the archive; that of a directory ends in `/`. */
  readonly name: string;
  readonly mode: number;
  /** Bytes of content that follow; 0 for all but files. */
  readonly size?: number | undefined;
  /** Where a link points. */
  readonly linkName?: string | undefined;
}

/** Zeros that fill content of `size` bytes up to whole blocks. */
export const paddingOf = (size: number): number => (blockSize - (size % blockSize)) % blockSize;

const typeFlags: Readonly<Record<TarEntryType, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  directory: "5",
};

/** Length of the ustar fields for name and link name. */
const nameField = 100;
/** The first size that 11 octal digits do not hold. */
const sizeLimit = 8 ** 11;

/**
 * Header blocks of an entry, byte for byte as Python's tarfile writes them in PAX format: an extended header
 * first, where a name is long or not ASCII or the size takes more than 11 octal digits.
 */
export function encodeTarHeader({ type, name, mode, size = 0, linkName = "" }: TarEntry): Uint8Array {
  const extended: [string, string][] = [];
  if (!fits(name)) extended.push(["path", name]);
  if (!fits(linkName)) extended.push(["linkpath", linkName]);
  if (size >= sizeLimit) extended.push(["size", String(size)]);
  const fields = { flag: typeFlags[type], name, mode, size: size < sizeLimit ? size : 0, linkName };
  if (extended.length === 0) return header(fields);

  const body = encodeRecords(extended);
  const all = new Uint8Array(2 * blockSize + body.byteLength + paddingOf(body.byteLength));
  const lead = { flag: "x", name: "././@PaxHeader", mode: 0, size: body.byteLength, linkName: "" };
  all.set(header(lead));
  all.set(body, blockSize);
  all.set(header(fields), all.byteLength - blockSize);
  return all;
}

const fits = (name: string): boolean => name.length <= nameField && isAscii(name);

const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text);

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
function encodeRecords(records: readonly (readonly [string, string])[]): Uint8Array {
  const parts: Uint8Array[] = [];
  if (!records.every(([, value]) => isPlainName(value))) parts.push(encodeFileName("21 hdrcharset=BINARY\n"));
  for (const [key, value] of records) {
    const rest = encodeFileName(` ${key}=${value}\n`);
    let length = rest.byteLength;
    while (length !== rest.byteLength + String(length).length)
      length = rest.byteLength + String(length).length;
    parts.push(encodeFileName(String(length)), rest);
  }
  return Buffer.concat(parts);
}

function header(fields: {
  flag: string;
  name: string;
  mode: number;
  size: number;
  linkName: string;
}): Uint8Array {
  const block = Buffer.alloc(blockSize);
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, "0");
  block.write(asciiField(fields.name), 0, "latin1");
  block.write(octal(fields.mode, 7), 100, "latin1");
  block.write("0000000", 108, "latin1"); // owner
  block.write("0000000", 116, "latin1"); // group
  block.write(octal(fields.size, 11), 124, "latin1");
  block.write("00000000000", 136, "latin1"); // modification time
  block.write("        ", 148, "latin1"); // the checksum counts itself as blanks
  block.write(fields.flag, 156, "latin1");
  block.write(asciiField(fields.linkName), 157, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${octal(sum, 6)}\0 `, 148, "latin1");
  return block;
}

/** The first 100 characters, `?` for each that is not ASCII: the whole name is in the extended header. */
function asciiField(name: string): string {
  if (fits(name)) return name;
  let field = "";
  for (const character of name) {
    if (field.length === nameField) break;
    field += isAscii(character) ? character : "?";
  }
  return field;
}
