import { malformed, readExactly } from "./byte-source.js";
import { type Elf, headerSizes } from "./elf.js";
import { type Shape, type Field, fieldBytes, fieldReader } from "./fields.js";

export const sectionType = {
  stringTable: 3,
  relocationsWithAddend: 4,
  hash: 5,
  note: 7,
  noBits: 8,
  relocations: 9,
  dynamicSymbols: 11,
  gnuHash: 0x6ffffff6,
  versionsDefined: 0x6ffffffd,
  versionsNeeded: 0x6ffffffe,
  symbolVersions: 0x6fffffff,
} as const;

/** SHF_ALLOC: the section is in memory when the program runs. */
export const allocated = 2;

export interface Section {
  readonly name: number;
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly align: number;
  readonly entrySize: number;
}

/**
 * The section headers; none for a file from which they were stripped.
 * @throws Failure `relocate.malformed`
 */
export function sectionsOf(elf: Elf): Section[] {
  const { offset, entrySize, count } = elf.sectionHeaders;
  if (offset === 0 || count === 0) return [];
  if (entrySize !== headerSizes(elf).section) throw malformed(`section headers of ${entrySize} bytes`);
  const fields = fieldReader(readExactly(elf.source, offset, count * entrySize, "section header table"), elf);
  // Properties are evaluated in the order in which they are written here: that of the file.
  return Array.from({ length: count }, () => ({
    name: fields.u32(),
    type: fields.u32(),
    flags: fields.word(),
    address: fields.word(),
    offset: fields.word(),
    size: fields.word(),
    link: fields.u32(),
    info: fields.u32(),
    align: fields.word(),
    entrySize: fields.word(),
  }));
}

export function encodeSections(sections: readonly Section[], shape: Shape): Uint8Array {
  const fields = sections.flatMap((s): Field[] => [
    ["u32", s.name],
    ["u32", s.type],
    ["word", s.flags],
    ["word", s.address],
    ["word", s.offset],
    ["word", s.size],
    ["u32", s.link],
    ["u32", s.info],
    ["word", s.align],
    ["word", s.entrySize],
  ]);
  return fieldBytes(fields, shape);
}
