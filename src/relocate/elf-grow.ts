// Strings of an ELF file that outgrow their place, moved as patchelf does: a new PT_LOAD segment at the end of the
// file holds the dynamic string table and the interpreter. Its program header takes a free slot or a gap behind the
// table; else what stands there (notes, hash tables, ...) moves into the new segment as one block. The table itself
// stays, since older kernels find it through e_phoff in the first segment, and `strip` puts it there.
//
// Spack here calls `patchelf --force-rpath`, which turns DT_RUNPATH into DT_RPATH. The tag is kept instead, as by
// Spack itself where a path fits, so that LD_LIBRARY_PATH means the same wherever a package is installed.
import { concat } from "../base/bytes.js";
import type { ByteSource } from "./byte-source.js";
import {
  type Dynamic,
  type DynamicEntry,
  dynamicTag,
  type Elf,
  encodeSegments,
  type Segment,
  segmentType,
} from "./elf.js";
import { displacedBlock } from "./elf-displaced.js";
import { fieldBytes } from "./fields.js";
import type { ElfChanges } from "./elf-relocate.js";
import { encodeSections, type Section, sectionsOf, sectionType } from "./elf-sections.js";
import { createSegment, type Place } from "./elf-segment.js";
import { versionsOf } from "./elf-versions.js";
import { type Patch, patchedRange } from "./patch.js";

/**
 * Patches that move strings into a new segment.
 * @param source the file, to which `done` will have been written when these patches are
 * @returns why it cannot be done, as a clause
 * @throws Failure `relocate.malformed`
 */
export function growElf(
  source: ByteSource,
  elf: Elf,
  { changes, done }: { changes: ElfChanges; done: readonly Patch[] },
): readonly Patch[] | string {
  const sections = sectionsOf(elf);
  if (sections.length === 0) return "has no section headers, which tell what can be moved";
  const segment = createSegment(elf);
  if (typeof segment === "string") return segment;
  // A PT_NULL is a free slot.
  const slot = elf.segments.findIndex((s) => s === segment.extended || (!segment.extended && s.type === 0));
  const needed = slot === -1 ? elf.programHeaders.entrySize : 0;
  const block = displacedBlock(elf, sections, needed);
  if (typeof block === "string") return block;

  const table = newStrings(changes);
  const before = [...done, ...(table === undefined ? [] : versionPatches(elf, changes, table.values))];
  const copy = (start: number, size: number): Uint8Array =>
    patchedRange(source, before, [start, start + size]);

  const blockTo =
    block === undefined
      ? undefined
      : segment.add(copy(block.offset, block.size), {
          align: block.align,
          residue: block.offset % block.align,
        });
  const tableAt =
    table === undefined ? undefined : segment.add(concat([copy(table.offset, table.size), table.added]));
  const tableSize = table === undefined ? 0 : table.size + table.added.length;
  const path = changes.interpreter === undefined ? undefined : cString(changes.interpreter.to);
  const pathAt = path === undefined ? undefined : segment.add(path);

  const shift = (from: number, by: "offset" | "address"): number =>
    block !== undefined && blockTo !== undefined && from >= block[by] && from < block[by] + block.size
      ? blockTo[by] - block[by]
      : 0;
  /** Offset and address of a section or segment of the block change together. */
  const moved = <T extends Place>(thing: T): T =>
    shift(thing.offset, "offset") === 0
      ? thing
      : {
          ...thing,
          offset: thing.offset + shift(thing.offset, "offset"),
          address: thing.address + shift(thing.address, "address"),
        };

  const newSections = sections.map((section): Section => {
    if (path !== undefined && section.offset === changes.interpreter?.offset && section.size > 0)
      return { ...section, ...pathAt, size: path.length };
    if (table !== undefined && section.type === sectionType.stringTable && section.address === table.address)
      return { ...section, ...tableAt, size: tableSize };
    return moved(section);
  });
  const newSegments = elf.segments.toSpliced(slot, slot === -1 ? 0 : 1).map((s): Segment => {
    if (s.type === segmentType.load) return s;
    if (s.type === segmentType.programHeaders)
      return { ...s, fileSize: s.fileSize + needed, memorySize: s.memorySize + needed };
    if (s.type === segmentType.interpreter && path !== undefined && pathAt !== undefined)
      return {
        ...s,
        ...pathAt,
        physicalAddress: pathAt.address,
        fileSize: path.length,
        memorySize: path.length,
      };
    const to = moved(s);
    return to === s ? s : { ...to, physicalAddress: to.address };
  });
  // PT_LOADs are sorted by address, which the new one's is the highest of.
  const last = newSegments.findLastIndex(({ type }) => type === segmentType.load);
  const allSegments = newSegments.toSpliced(last + 1, 0, segment.header());

  return [
    ...before.slice(done.length),
    ...segment.patches(),
    ...dynamicPatches(elf, changes.dynamic, (entry) => {
      const string = table?.values.get(entry.value);
      if (tableAt !== undefined && entry.tag === dynamicTag.stringTable) return tableAt.address;
      if (table !== undefined && entry.tag === dynamicTag.stringTableSize) return tableSize;
      if (string !== undefined && stringTags.has(entry.tag)) return string;
      return pointerTags.has(entry.tag) ? entry.value + shift(entry.value, "address") : entry.value;
    }),
    { offset: elf.programHeaders.offset, bytes: encodeSegments(allSegments, elf) },
    { offset: elf.sectionHeaders.offset, bytes: encodeSections(newSections, elf) },
    {
      // e_phnum
      offset: elf.wide ? 56 : 44,
      bytes: fieldBytes([["u16", allSegments.length]], elf),
    },
  ];
}

/** DT_* whose value is a string of the dynamic string table. */
const stringTags: ReadonlySet<number> = new Set([
  dynamicTag.needed,
  dynamicTag.soname,
  dynamicTag.rpath,
  dynamicTag.runpath,
]);

/** DT_* whose value is the address of a table that may stand behind the program headers. */
const pointerTags: ReadonlySet<number> = new Set([
  4, // DT_HASH
  dynamicTag.stringTable,
  6, // DT_SYMTAB
  7, // DT_RELA
  17, // DT_REL
  23, // DT_JMPREL
  36, // DT_RELR
  0x6ffffef5, // DT_GNU_HASH
  0x6ffffff0, // DT_VERSYM
  dynamicTag.versionsDefined,
  dynamicTag.versionsNeeded,
]);

const cString = (text: Buffer): Buffer => Buffer.concat([text, Buffer.alloc(1)]);

/** What is added behind the dynamic string table, and by its old place where a string will be. */
function newStrings({ dynamic, strings }: ElfChanges) {
  if (dynamic === undefined || strings.length === 0) return undefined;
  const values = new Map<number, number>();
  let end = dynamic.strings.size;
  for (const { value, to } of strings) {
    values.set(value, end);
    end += to.length + 1;
  }
  return { ...dynamic.strings, added: concat(strings.map(({ to }) => cString(to))), values };
}

/** Symbol versions name libraries by the strings of DT_NEEDED and DT_SONAME. */
function versionPatches(
  elf: Elf,
  { dynamic }: ElfChanges,
  values: ReadonlyMap<number, number>,
): readonly Patch[] {
  if (dynamic === undefined) return [];
  const { needed, defined } = versionsOf(elf, dynamic);
  return [...needed.map(({ library }) => library), ...defined].flatMap(({ at, value }) => {
    const to = values.get(value);
    return to === undefined ? [] : [{ offset: at, bytes: fieldBytes([["u32", to]], elf) }];
  });
}

function dynamicPatches(
  elf: Elf,
  dynamic: Dynamic | undefined,
  newValue: (entry: DynamicEntry) => number,
): readonly Patch[] {
  return (dynamic?.entries ?? []).flatMap((entry) => {
    const value = newValue(entry);
    if (value === entry.value) return [];
    // d_val follows d_tag, both a word wide.
    return [{ offset: entry.at + (elf.wide ? 8 : 4), bytes: fieldBytes([["word", value]], elf) }];
  });
}
