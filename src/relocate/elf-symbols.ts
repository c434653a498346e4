import { readExactly } from "./byte-source.js";
import type { Elf } from "./elf.js";
import { sectionsOf, sectionType } from "./elf-sections.js";

/**
 * The first place after `start` and before `end` in the file at which the name of a dynamic symbol begins: linkers
 * store a name that is the tail of another string inside that.
 * @throws Failure `relocate.malformed`
 */
export function sharedFrom(elf: Elf, { start, end }: { start: number; end: number }): number | undefined {
  const sections = sectionsOf(elf);
  const entrySize = elf.wide ? 24 : 16;
  let first: number | undefined;
  for (const symbols of sections.filter(({ type }) => type === sectionType.dynamicSymbols)) {
    const strings = sections[symbols.link];
    if (strings === undefined || start < strings.offset || end > strings.offset + strings.size) continue;
    const table = readExactly(elf.source, symbols.offset, symbols.size, "dynamic symbol table");
    const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
    for (let at = 0; at + entrySize <= table.length; at += entrySize) {
      // st_name is the first field in both classes.
      const name = strings.offset + view.getUint32(at, elf.little);
      if (name > start && name < end && (first === undefined || name < first)) first = name;
    }
  }
  return first;
}
