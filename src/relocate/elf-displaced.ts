import { type Elf, segmentType } from "./elf.js";
import { allocated, type Section, sectionType } from "./elf-sections.js";
import { isPowerOfTwo, type Place } from "./elf-segment.js";

/** Bytes of the file that have to move, and how they are aligned. */
export interface Block extends Place {
  readonly size: number;
  readonly align: number;
}

/** Found by the loader through the dynamic section or a program header, never by an address in code. */
const movableSections: ReadonlySet<number> = new Set([
  ...Object.values(sectionType).filter((type) => type !== sectionType.noBits),
  0x7000000d, // SHT_MIPS_OPTIONS
  0x70000006, // SHT_MIPS_REGINFO
  0x7000002a, // SHT_MIPS_ABIFLAGS
]);

/** The same for segments: PT_INTERP, PT_NOTE, PT_GNU_PROPERTY, and those of MIPS for the sections above. */
const movableSegments: ReadonlySet<number> = new Set([
  segmentType.interpreter,
  segmentType.note,
  0x6474e553,
  0x70000000,
  0x70000002,
  0x70000003,
]);

/**
 * What stands in the `needed` bytes behind the program header table, widened to whole sections and segments.
 * @returns undefined where nothing does; why it cannot be moved, as a clause
 */
export function displacedBlock(
  elf: Elf,
  sections: readonly Section[],
  needed: number,
): Block | undefined | string {
  const { offset: table, entrySize, count } = elf.programHeaders;
  const start = table + entrySize * count;
  const load = elf.segments.find(
    ({ type, offset, fileSize }) =>
      type === segmentType.load && offset <= table && start + needed <= offset + fileSize,
  );
  if (load === undefined) return "has its program headers outside its segments";

  const occupants = [
    ...sections
      .filter(({ type, size }) => type !== sectionType.noBits && size > 0)
      .map((s) => ({ offset: s.offset, size: s.size, align: s.align, movable: isMovable(elf, s) })),
    ...elf.segments
      .filter(
        ({ type, fileSize }) =>
          type !== segmentType.load && type !== segmentType.programHeaders && fileSize > 0,
      )
      .map((s) => ({ offset: s.offset, size: s.fileSize, align: 1, movable: movableSegments.has(s.type) })),
    { offset: elf.sectionHeaders.offset, size: elf.sectionHeaders.count, align: 1, movable: false },
  ].sort((a, b) => a.offset - b.offset);
  let end = start + needed;
  const hit = occupants.filter((occupant) => {
    if (occupant.offset >= end || occupant.offset + occupant.size <= start) return false;
    end = Math.max(end, occupant.offset + occupant.size);
    return true;
  });
  const first = hit[0];
  if (first === undefined) return undefined;
  const align = Math.max(1, ...hit.map((occupant) => occupant.align));
  if (
    first.offset < start ||
    !hit.every(({ movable }) => movable) ||
    !isPowerOfTwo(align) ||
    align > load.align
  )
    return "has something behind its program headers that cannot be moved";
  return {
    offset: first.offset,
    address: load.address + (first.offset - load.offset),
    size: end - first.offset,
    align,
  };
}

function isMovable(elf: Elf, { type, flags, offset }: Section): boolean {
  if (Math.floor(flags / allocated) % 2 === 0) return false;
  // .interp has no type of its own.
  return (
    movableSections.has(type) ||
    elf.segments.some((s) => s.type === segmentType.interpreter && s.offset === offset)
  );
}
