import { readExactly } from "./byte-source.js";
import type { Elf } from "./elf.js";
import { sectionsOf, sectionType } from "./elf-sections.js";

/** Part of a file, from `start` to before `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * Linkers store a name that is the tail of another string inside that. For each range (of a string) in which names
 * of dynamic symbols begin, behind its start: where the first does, by the start of the range.
 * @throws Failure `relocate.malformed`
 */
export function sharedTails(elf: Elf, ranges: readonly Range[]): ReadonlyMap<number, number> {
  const shared = new Map<number, number>();
  if (ranges.length === 0) return shared;
  const sections = sectionsOf(elf);
  const symbols = sections.find(({ type }) => type === sectionType.dynamicSymbols);
  const strings = symbols === undefined ? undefined : sections[symbols.link];
  if (symbols === undefined || strings === undefined) return shared;

  const sorted = ranges.toSorted((a, b) => a.start - b.start);
  const [lowest, highest] = [sorted[0]?.start ?? 0, Math.max(...ranges.map(({ end }) => end))];
  const entrySize = elf.wide ? 24 : 16;
  const table = readExactly(elf.source, symbols.offset, symbols.size, "dynamic symbol table");
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  for (let at = 0; at + entrySize <= table.length; at += entrySize) {
    // st_name is the first field in both classes.
    const name = strings.offset + view.getUint32(at, elf.little);
    if (name <= lowest || name >= highest) continue;
    const range = sorted[lastBefore(sorted, name)];
    if (range === undefined || name >= range.end) continue;
    shared.set(range.start, Math.min(name, shared.get(range.start) ?? name));
  }
  return shared;
}

/** Index of the last range that starts before `offset`; -1 where none does. */
function lastBefore(sorted: readonly Range[], offset: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.start ?? offset) < offset) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
