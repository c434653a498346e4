// Symbol versions as in the Linux Standard Base, "Symbol Versioning"; records are the same in both classes.
import { malformed, readExactly } from "./byte-source.js";
import { type Dynamic, dynamicTag, type Elf, offsetOf } from "./elf.js";
import { fieldReader } from "./fields.js";

/** A reference to the dynamic string table. */
export interface StringReference {
  /** Offset of the reference (32 bits) in the file. */
  readonly at: number;
  /** Offset of the string in the table. */
  readonly value: number;
}

export interface Versions {
  /** Elf_Verneed with its Elf_Vernaux. */
  readonly needed: readonly {
    readonly library: StringReference;
    readonly names: readonly StringReference[];
  }[];
  /** The first Elf_Verdaux of each Elf_Verdef; further ones name what a version descends from. */
  readonly defined: readonly StringReference[];
}

/** No file has more versions, by far; beyond it is damage. */
const mostRecords = 4096;

/** @throws Failure `relocate.malformed` */
export function versionsOf(elf: Elf, dynamic: Dynamic): Versions {
  let left = mostRecords;
  const u32 = (offset: number): number =>
    fieldReader(readExactly(elf.source, offset, 4, "symbol version"), elf).u32();
  const reference = (at: number): StringReference => ({ at, value: u32(at) });

  /** Offsets of records of which each tells how far behind it the next is, 0 at the last. */
  const chain = (start: number, count: number, nextAt: number): number[] => {
    const offsets: number[] = [];
    for (let at = start; offsets.length < count; ) {
      if (left === 0) throw malformed(`more than ${mostRecords} symbol versions`);
      left -= 1;
      offsets.push(at);
      const step = u32(at + nextAt);
      if (step === 0) break;
      at += step;
    }
    return offsets;
  };
  const records = (tableTag: number, countTag: number, nextAt: number): number[] => {
    const valueOfTag = (tag: number) => dynamic.entries.find((entry) => entry.tag === tag)?.value;
    const [address, count] = [valueOfTag(tableTag), valueOfTag(countTag)];
    if (address === undefined || count === undefined) return [];
    const start = offsetOf(elf, address);
    if (start === undefined)
      throw malformed(`the symbol versions at address ${address} are outside the file`);
    return chain(start, count, nextAt);
  };
  return {
    // Elf_Verneed: vn_version, vn_cnt (16 bits each), vn_file, vn_aux, vn_next. Elf_Vernaux: vna_hash, vna_flags,
    // vna_other (16 bits each), vna_name, vna_next.
    needed: records(dynamicTag.versionsNeeded, dynamicTag.versionsNeededCount, 12).map((at) => {
      const count = fieldReader(readExactly(elf.source, at, 4, "symbol version"), elf, 2).u16();
      return {
        library: reference(at + 4),
        names: chain(at + u32(at + 8), count, 12).map((aux) => reference(aux + 8)),
      };
    }),
    // Elf_Verdef: vd_version, vd_flags, vd_ndx, vd_cnt (16 bits each), vd_hash, vd_aux, vd_next. Elf_Verdaux:
    // vda_name, vda_next.
    defined: records(dynamicTag.versionsDefined, dynamicTag.versionsDefinedCount, 16).map((at) =>
      reference(at + u32(at + 12)),
    ),
  };
}
