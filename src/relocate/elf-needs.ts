import { type ByteSource, pagesOf } from "./byte-source.js";
import { dynamicOf, dynamicString, dynamicTag, interpreterOf, parseElf } from "./elf.js";
import { versionsOf } from "./elf-versions.js";

/** What a dynamic ELF file needs of others to run, and what it offers them. */
export interface ElfNeeds {
  /** 32 or 64 */
  readonly bits: 32 | 64;
  readonly order: "little" | "big";
  /** e_machine: 62 is x86-64, 183 AArch64. */
  readonly machine: number;
  /** e_type: 2 is a program at a fixed address, 3 a shared object or position independent program. */
  readonly type: number;
  readonly interpreter: string | undefined;
  readonly soname: string | undefined;
  /** Names of libraries, in the order in which the loader looks for them. */
  readonly needed: readonly string[];
  readonly rpath: readonly string[];
  readonly runpath: readonly string[];
  /** Versions of symbols that must be there, by library: `libc.so.6` → `GLIBC_2.34`. */
  readonly versionsNeeded: ReadonlyMap<string, readonly string[]>;
  /** Versions of symbols that this file offers, its own name among them. */
  readonly versionsDefined: readonly string[];
}

/**
 * Reads what an ELF file needs; of a large file only the few pages that tell.
 * @returns undefined for what is no ELF file
 * @throws Failure `relocate.malformed`
 */
export function readElfNeeds(file: ByteSource): ElfNeeds | undefined {
  const elf = parseElf(pagesOf(file));
  if (elf === undefined) return undefined;
  const dynamic = dynamicOf(elf);
  const versions = dynamic === undefined ? { needed: [], defined: [] } : versionsOf(elf, dynamic);
  const string = (value: number): string =>
    dynamic === undefined ? "" : dynamicString(elf, dynamic, value).toString();
  const strings = (tag: number): string[] =>
    (dynamic?.entries ?? []).filter((entry) => entry.tag === tag).map(({ value }) => string(value));
  const paths = (tag: number): string[] =>
    strings(tag).flatMap((path) => path.split(":").filter((p) => p !== ""));
  return {
    bits: elf.wide ? 64 : 32,
    order: elf.little ? "little" : "big",
    machine: elf.machine,
    type: elf.type,
    interpreter: interpreterOf(elf)?.path.toString(),
    soname: strings(dynamicTag.soname)[0],
    needed: strings(dynamicTag.needed),
    rpath: paths(dynamicTag.rpath),
    runpath: paths(dynamicTag.runpath),
    versionsNeeded: new Map(
      versions.needed.map(({ library, names }) => [
        string(library.value),
        names.map(({ value }) => string(value)),
      ]),
    ),
    versionsDefined: versions.defined.map(({ value }) => string(value)),
  };
}
