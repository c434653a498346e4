// Ad-hoc code signatures as XNU's bsd/sys/codesign.h (osfmk/kern/cs_blobs.h) has them; all fields are big-endian.
import { createHash } from "node:crypto";
import { malformed, readExactly, type ByteSource } from "./byte-source.js";
import { fieldBytes, fieldReader } from "./fields.js";
import { type LoadCommand, loadCommand, type MachO } from "./mach-o.js";
import type { Patch } from "./patch.js";

const superBlobMagic = 0xfade0cc0;
const codeDirectoryMagic = 0xfade0c02;
const big = { wide: true, little: false };
/** CS_ADHOC */
const adHoc = 0x2;
/** CS_EXECSEG_MAIN_BINARY */
const mainBinary = 0x1;
const hashSize = 32;
/** Bytes that one hash is of: as log2 in the file. */
const pageBits = 12;
const pageSize = 2 ** pageBits;
/** CodeDirectory of version 0x20400, before its identifier. */
const directorySize = 88;
/** SuperBlob with the index of one blob. */
const superBlobSize = 20;

/** Bytes [start, end) of the file as it will be. */
export type ReadRange = (start: number, end: number) => Uint8Array;

/** LC_CODE_SIGNATURE: where the signature is in the slice. */
interface SignaturePlace {
  readonly command: LoadCommand;
  readonly offset: number;
  readonly size: number;
}

function signaturePlace(file: MachO): SignaturePlace | undefined {
  const command = file.commands.find(({ type }) => type === loadCommand.codeSignature);
  if (command === undefined) return undefined;
  if (command.bytes.length < 16) throw malformed("LC_CODE_SIGNATURE is too short");
  const fields = fieldReader(command.bytes, file, 8);
  const [offset, size] = [fields.u32(), fields.u32()];
  if (offset + size > file.size) throw malformed("the code signature is outside the file");
  return { command, offset, size };
}

/**
 * The patch that signs what a Mach-O file will hold, in place of the signature that it has: macOS kills programs for
 * arm64 whose pages do not match. Entitlements and the signer's name are lost, as with `codesign -s -`.
 * @returns nothing to write for an unsigned file; why it cannot be signed, as a clause
 * @throws Failure `relocate.malformed`
 */
export function signMachO(file: MachO, read: ReadRange): readonly Patch[] | string {
  const place = signaturePlace(file);
  if (place === undefined) return [];
  const old = read(file.start + place.offset, file.start + place.offset + place.size);
  const identifier = identifierOf(old) ?? Buffer.from("relocated");
  const signature = adHocSignature(file, { limit: place.offset, identifier, read });
  if (signature.length > place.size)
    return `has a code signature of ${place.size} bytes where ${signature.length} are needed`;
  const padded = new Uint8Array(place.size);
  padded.set(signature);
  return [{ offset: file.start + place.offset, bytes: padded }];
}

/** The identifier of the signature that is there. */
function identifierOf(signature: Uint8Array): Buffer | undefined {
  const directory = codeDirectoryOf(signature);
  if (directory === undefined || directory.length < 24) return undefined;
  const at = fieldReader(directory, big, 20).u32();
  const end = directory.indexOf(0, at);
  return end <= at ? undefined : Buffer.from(directory.subarray(at, end));
}

function codeDirectoryOf(signature: Uint8Array): Uint8Array | undefined {
  if (signature.length < superBlobSize) return undefined;
  const fields = fieldReader(signature, big);
  const [magic, , count] = [fields.u32(), fields.u32(), fields.u32()];
  if (magic !== superBlobMagic) return undefined;
  for (let i = 0; i < count && 20 + i * 8 <= signature.length; i += 1) {
    const [slot, offset] = [fields.u32(), fields.u32()];
    // CSSLOT_CODEDIRECTORY
    if (slot !== 0 || offset + 8 > signature.length) continue;
    const blob = fieldReader(signature, big, offset);
    const [blobMagic, length] = [blob.u32(), blob.u32()];
    if (blobMagic === codeDirectoryMagic && offset + length <= signature.length)
      return signature.subarray(offset, offset + length);
  }
  return undefined;
}

function adHocSignature(
  file: MachO,
  { limit, identifier, read }: { limit: number; identifier: Buffer; read: ReadRange },
): Uint8Array {
  const pages = Math.ceil(limit / pageSize);
  const hashOffset = directorySize + identifier.length + 1;
  const directoryLength = hashOffset + pages * hashSize;
  const text = textSegment(file);
  const head = fieldBytes(
    [
      ["u32", superBlobMagic],
      ["u32", superBlobSize + directoryLength],
      ["u32", 1],
      ["u32", 0], // CSSLOT_CODEDIRECTORY
      ["u32", superBlobSize],
      ["u32", codeDirectoryMagic],
      ["u32", directoryLength],
      ["u32", 0x20400], // version
      ["u32", adHoc],
      ["u32", hashOffset],
      ["u32", directorySize], // identOffset
      ["u32", 0], // nSpecialSlots
      ["u32", pages],
      ["u32", limit],
      ["u32", (hashSize << 24) | (2 << 16) | pageBits], // hashSize, hashType SHA-256, platform, pageSize
      ["u32", 0], // spare2
      ["u32", 0], // scatterOffset
      ["u32", 0], // teamOffset
      ["u32", 0], // spare3
      ["word", 0], // codeLimit64
      ["word", text.offset],
      ["word", text.size],
      ["word", file.type === 2 ? mainBinary : 0],
    ],
    big,
  );
  const hashes = Array.from({ length: pages }, (_, page) => pageHash(file, { page, limit, read }));
  return Buffer.concat([head, identifier, Buffer.alloc(1), ...hashes]);
}

function pageHash(
  { start }: MachO,
  { page, limit, read }: { page: number; limit: number; read: ReadRange },
): Buffer {
  const bytes = read(start + page * pageSize, start + Math.min(limit, (page + 1) * pageSize));
  return createHash("sha256").update(bytes).digest();
}

/** The file's __TEXT segment, which the signature calls its executable one. */
function textSegment(file: MachO): { offset: number; size: number } {
  const wide = file.commands.find(({ type, bytes }) => type === loadCommand.segment64 && isText(bytes));
  const narrow = file.commands.find(({ type, bytes }) => type === loadCommand.segment && isText(bytes));
  const command = wide ?? narrow;
  if (command === undefined || command.bytes.length < (wide === undefined ? 56 : 72))
    return { offset: 0, size: 0 };
  const fields = fieldReader(command.bytes, { wide: wide !== undefined, little: file.little }, 24);
  fields.word(); // vmaddr
  fields.word(); // vmsize
  return { offset: fields.word(), size: fields.word() };
}

const isText = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(8, 24)).toString("latin1").replace(/\0+$/, "") === "__TEXT";

/**
 * Whether each page of a signed Mach-O file is what its signature says.
 * @returns undefined for a file without signature, or with one of another kind
 * @throws Failure `relocate.malformed`
 */
export function verifyPages(file: MachO, source: ByteSource): boolean | undefined {
  const place = signaturePlace(file);
  if (place === undefined) return undefined;
  const signature = readExactly(source, file.start + place.offset, place.size, "code signature");
  const directory = codeDirectoryOf(signature);
  if (directory === undefined || directory.length < directorySize) return undefined;
  const fields = fieldReader(directory, big, 16);
  const hashOffset = fields.u32();
  fields.u32(); // identOffset
  fields.u32(); // nSpecialSlots
  const [pages, limit, kind] = [fields.u32(), fields.u32(), fields.u32()];
  if (kind !== ((hashSize << 24) | (2 << 16) | pageBits)) return undefined;
  if (pages !== Math.ceil(limit / pageSize) || hashOffset + pages * hashSize > directory.length) return false;
  const read: ReadRange = (start, end) => readExactly(source, start, end - start, "page");
  return Array.from({ length: pages }, (_, page) => page).every((page) =>
    pageHash(file, { page, limit, read }).equals(
      directory.subarray(hashOffset + page * hashSize, hashOffset + (page + 1) * hashSize),
    ),
  );
}
