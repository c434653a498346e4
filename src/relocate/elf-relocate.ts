import {
  type Dynamic,
  type Elf,
  dynamicOf,
  dynamicString,
  dynamicTag,
  elfType,
  interpreterOf,
} from "./elf.js";
import { sharedFrom } from "./elf-symbols.js";
import type { Patch } from "./patch.js";
import { type PrefixMap, replaceStart } from "./prefix-map.js";

/** What a string of an ELF file becomes. */
export interface ElfString {
  readonly offset: number;
  readonly from: Buffer;
  readonly to: Buffer;
}

export interface ElfRpath extends ElfString {
  /** Its offset in the dynamic string table. */
  readonly value: number;
}

/** The search paths and the interpreter of a file that start with old prefixes. */
export interface ElfChanges {
  readonly rpaths: readonly ElfRpath[];
  readonly interpreter: ElfString | undefined;
}

/**
 * What relocation changes in the dynamic section and the interpreter. Only executables and shared objects have
 * them; entries of an rpath are each replaced at their start, and empty ones (padding) dropped, as Spack does.
 * @throws Failure `relocate.malformed`
 */
export function elfChanges(elf: Elf, map: PrefixMap): ElfChanges {
  if (elf.type !== elfType.executable && elf.type !== elfType.shared)
    return { rpaths: [], interpreter: undefined };
  const found = interpreterOf(elf);
  const to = found === undefined ? undefined : replaceStart(found.path, map);
  return {
    rpaths: changedRpaths(elf, dynamicOf(elf), (entry) => replaceStart(entry, map) ?? entry),
    interpreter:
      found === undefined || to === undefined
        ? undefined
        : { offset: found.segment.offset, from: found.path, to },
  };
}

/** The rpath and runpath in which `change` changes or drops an entry that is not empty. */
export function changedRpaths(
  elf: Elf,
  dynamic: Dynamic | undefined,
  change: (entry: Buffer) => Buffer | undefined,
): ElfRpath[] {
  return rpathsOf(elf, dynamic).flatMap((rpath) => {
    const entries = splitRpath(rpath.from);
    const changed = entries.map(change);
    if (entries.every((entry, i) => entry === changed[i])) return [];
    return [{ ...rpath, to: joinRpath(changed.filter((entry) => entry !== undefined)) }];
  });
}

/** Each string that DT_RPATH or DT_RUNPATH names, once. */
function rpathsOf(elf: Elf, dynamic: Dynamic | undefined): Omit<ElfRpath, "to">[] {
  if (dynamic === undefined) return [];
  const values = dynamic.entries
    .filter(({ tag }) => tag === dynamicTag.rpath || tag === dynamicTag.runpath)
    .map(({ value }) => value);
  return [...new Set(values)].map((value) => ({
    value,
    offset: dynamic.strings.offset + value,
    from: dynamicString(elf, dynamic, value),
  }));
}

const colon = 0x3a;
const slash = 0x2f;

function splitRpath(rpath: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let from = 0; from < rpath.length; ) {
    const end = rpath.indexOf(colon, from);
    const to = end === -1 ? rpath.length : end;
    if (to > from) entries.push(rpath.subarray(from, to));
    from = to + 1;
  }
  return entries;
}

const joinRpath = (entries: readonly Buffer[]): Buffer =>
  Buffer.concat(entries.flatMap((entry, i) => (i === 0 ? [entry] : [Buffer.of(colon), entry])));

/**
 * The patch that writes `to` over `from`, filled with NUL; undefined where it has no room. Where a symbol shares the
 * tail of an rpath (`b` that of `/x/lib`), slashes in front keep the tail in its place, else it has no room.
 */
export function patchInPlace(elf: Elf, { offset, from, to }: ElfString): Patch | undefined {
  if (to.length > from.length) return undefined;
  const shared = sharedFrom(elf, { start: offset, end: offset + from.length });
  const bytes = Buffer.alloc(from.length);
  if (shared === undefined) {
    to.copy(bytes);
    return { offset, bytes };
  }
  const tail = from.subarray(shared - offset);
  const movable = to.length === from.length || to[0] === slash;
  if (!movable || !to.subarray(-tail.length).equals(tail)) return undefined;
  bytes.fill(slash);
  to.copy(bytes, from.length - to.length);
  return { offset, bytes };
}
