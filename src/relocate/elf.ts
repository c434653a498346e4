// ELF as the System V gABI has it: chapters 4 (header, sections) and 5 (segments, dynamic section).
import { type ByteSource, malformed, readExactly } from "./byte-source.js";
import { type Shape, type Field, fieldBytes, fieldReader } from "./fields.js";

export const elfType = { executable: 2, shared: 3 } as const;
export const segmentType = { load: 1, dynamic: 2, interpreter: 3, note: 4, programHeaders: 6 } as const;
export const dynamicTag = {
  null: 0,
  needed: 1,
  stringTable: 5,
  stringTableSize: 10,
  soname: 14,
  rpath: 15,
  runpath: 29,
  versionsDefined: 0x6ffffffc,
  versionsDefinedCount: 0x6ffffffd,
  versionsNeeded: 0x6ffffffe,
  versionsNeededCount: 0x6fffffff,
} as const;

export interface Elf extends Shape {
  readonly source: ByteSource;
  /** e_type */
  readonly type: number;
  /** e_machine */
  readonly machine: number;
  readonly programHeaders: HeaderTable;
  readonly sectionHeaders: HeaderTable;
  /** e_shstrndx */
  readonly sectionNames: number;
  readonly segments: readonly Segment[];
}

/** Where a table of headers is in the file. */
export interface HeaderTable {
  readonly offset: number;
  readonly entrySize: number;
  readonly count: number;
}

export interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly physicalAddress: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly align: number;
}

export interface DynamicEntry {
  readonly tag: number;
  readonly value: number;
  /** Offset of the entry in the file. */
  readonly at: number;
}

/** What the dynamic section says, with the place of its string table. */
export interface Dynamic {
  readonly entries: readonly DynamicEntry[];
  readonly strings: { readonly offset: number; readonly address: number; readonly size: number };
}

export const headerSizes = ({ wide }: Shape) =>
  wide ? { file: 64, segment: 56, section: 64 } : { file: 52, segment: 32, section: 40 };

const magic = Buffer.from("\x7fELF", "latin1");

/**
 * Reads the headers of an ELF file of either class and byte order.
 * @returns undefined for what does not start as an ELF file
 * @throws Failure `relocate.malformed`
 */
export function parseElf(source: ByteSource): Elf | undefined {
  const ident = source.read(0, 16);
  if (ident.length < 16 || !magic.equals(ident.subarray(0, 4))) return undefined;
  const [elfClass, order] = [ident[4], ident[5]];
  if ((elfClass !== 1 && elfClass !== 2) || (order !== 1 && order !== 2))
    throw malformed(`ELF class ${elfClass} and byte order ${order} are unknown`);
  const shape = { wide: elfClass === 2, little: order === 1 };
  const sizes = headerSizes(shape);

  const fields = fieldReader(readExactly(source, 0, sizes.file, "ELF header"), shape, 16);
  const [type, machine] = [fields.u16(), fields.u16()];
  fields.u32(); // e_version
  fields.word(); // e_entry
  const [segmentsAt, sectionsAt] = [fields.word(), fields.word()];
  fields.u32(); // e_flags
  fields.u16(); // e_ehsize
  const programHeaders = { offset: segmentsAt, entrySize: fields.u16(), count: fields.u16() };
  const sectionHeaders = { offset: sectionsAt, entrySize: fields.u16(), count: fields.u16() };
  const sectionNames = fields.u16();

  if (programHeaders.count > 0 && programHeaders.entrySize !== sizes.segment)
    throw malformed(`program headers of ${programHeaders.entrySize} bytes`);
  const table = readExactly(source, segmentsAt, programHeaders.count * sizes.segment, "program header table");
  const segments = Array.from({ length: programHeaders.count }, (_, i) => decodeSegment(table, shape, i));
  return { ...shape, source, type, machine, programHeaders, sectionHeaders, sectionNames, segments };
}

function decodeSegment(table: Uint8Array, shape: Shape, index: number): Segment {
  const fields = fieldReader(table, shape, index * headerSizes(shape).segment);
  const type = fields.u32();
  const flags = shape.wide ? fields.u32() : undefined;
  const [offset, address, physicalAddress, fileSize, memorySize] = [
    fields.word(),
    fields.word(),
    fields.word(),
    fields.word(),
    fields.word(),
  ];
  return {
    type,
    offset,
    address,
    physicalAddress,
    fileSize,
    memorySize,
    flags: flags ?? fields.u32(),
    align: fields.word(),
  };
}

export function encodeSegments(segments: readonly Segment[], shape: Shape): Uint8Array {
  const fields = segments.flatMap((s): Field[] => {
    const places: Field[] = [
      ["word", s.offset],
      ["word", s.address],
      ["word", s.physicalAddress],
      ["word", s.fileSize],
      ["word", s.memorySize],
    ];
    return shape.wide
      ? [["u32", s.type], ["u32", s.flags], ...places, ["word", s.align]]
      : [["u32", s.type], ...places, ["u32", s.flags], ["word", s.align]];
  });
  return fieldBytes(fields, shape);
}

/** A segment with bytes in the file; linkers and strippers leave empty ones. */
export function segmentOf(elf: Elf, type: number): Segment | undefined {
  return elf.segments.find((segment) => segment.type === type && segment.fileSize > 0);
}

/** The file offset of what is loaded at `address`; undefined where no bytes of the file are. */
export function offsetOf(elf: Elf, address: number): number | undefined {
  const segment = elf.segments.find(
    (s) => s.type === segmentType.load && s.address <= address && address < s.address + s.fileSize,
  );
  return segment === undefined ? undefined : segment.offset + (address - segment.address);
}

/** Programs with hundreds of libraries have some hundred; beyond it is damage. */
const mostEntries = 8192;

/**
 * @returns undefined for a file without dynamic section
 * @throws Failure `relocate.malformed`
 */
export function dynamicOf(elf: Elf): Dynamic | undefined {
  const segment = segmentOf(elf, segmentType.dynamic);
  if (segment === undefined) return undefined;
  const entrySize = elf.wide ? 16 : 8;
  const table = readExactly(elf.source, segment.offset, segment.fileSize, "dynamic section");
  const fields = fieldReader(table, elf);
  const entries: DynamicEntry[] = [];
  for (let at = 0; at + entrySize <= table.length; at += entrySize) {
    const entry = { tag: fields.word(), value: fields.word(), at: segment.offset + at };
    if (entry.tag === dynamicTag.null) break;
    if (entries.push(entry) > mostEntries)
      throw malformed(`more than ${mostEntries} entries in the dynamic section`);
  }
  const firstValue = (tag: number) => entries.find((entry) => entry.tag === tag)?.value;
  const [address, size] = [firstValue(dynamicTag.stringTable), firstValue(dynamicTag.stringTableSize)];
  const offset = address === undefined ? undefined : offsetOf(elf, address);
  if (address === undefined || offset === undefined || size === undefined || offset + size > elf.source.size)
    throw malformed("the dynamic section names no string table inside the file");
  return { entries, strings: { offset, address, size } };
}

/**
 * The C string at `value` in the string table.
 * @throws Failure `relocate.malformed`
 */
export function dynamicString(elf: Elf, { strings }: Dynamic, value: number): Buffer {
  if (value >= strings.size) throw malformed(`string ${value} is outside the dynamic string table`);
  return readString(elf.source, strings.offset + value, strings.size - value);
}

/** Most strings end within this many bytes: a large table need not be read for one of them. */
const stringChunk = 512;

/** Room for an rpath of 250 entries that are each as long as a path may be. */
const longestString = 2 ** 20;

/**
 * The C string at `offset`, without its NUL, which must come within `limit` bytes.
 * @throws Failure `relocate.malformed`
 */
export function readString(source: ByteSource, offset: number, limit: number): Buffer {
  const longest = Math.min(limit, longestString);
  for (let length = Math.min(stringChunk, longest); ; length = Math.min(length * 4, longest)) {
    const bytes = readExactly(source, offset, length, "string");
    const end = bytes.indexOf(0);
    if (end !== -1) return Buffer.from(bytes.subarray(0, end));
    if (length === longest) throw malformed(`the string at ${offset} does not end`);
  }
}

/**
 * The interpreter (dynamic loader) that the file asks for, and its place.
 * @throws Failure `relocate.malformed`
 */
export function interpreterOf(elf: Elf): { readonly path: Buffer; readonly segment: Segment } | undefined {
  const segment = segmentOf(elf, segmentType.interpreter);
  if (segment === undefined) return undefined;
  return { path: readString(elf.source, segment.offset, segment.fileSize), segment };
}
