import { Failure } from "../base/failure.js";
import { type ByteSource, pagesOf } from "./byte-source.js";
import { dynamicOf, elfType, parseElf } from "./elf.js";
import { changedRpaths, placeStrings } from "./elf-relocate.js";
import type { Patch } from "./patch.js";

/**
 * What has to be written to drop rpath entries in which the loader would search in vain, as Spack does after each
 * install: kept are entries that start with `$` and absolute ones that exist. Nothing for what is no ELF file.
 */
export function planRpathCleanup(file: ByteSource, exists: (path: string) => boolean): readonly Patch[] {
  try {
    const elf = parseElf(pagesOf(file));
    if (elf === undefined || (elf.type !== elfType.executable && elf.type !== elfType.shared)) return [];
    const keeps = (entry: string): boolean =>
      entry.startsWith("$") || (entry.startsWith("/") && exists(entry));
    const rpaths = changedRpaths(elf, dynamicOf(elf), (entries) =>
      entries.filter((entry) => keeps(entry.toString())),
    );
    return placeStrings(elf, rpaths).fitting;
  } catch (error) {
    // A damaged file has no rpath that a loader would follow.
    if (error instanceof Failure && error.code === "relocate.malformed") return [];
    throw error;
  }
}
