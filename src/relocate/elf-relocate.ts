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

export interface ElfDynamicString extends ElfString {
  /** Its offset in the dynamic string table. */
  readonly value: number;
}

/** The strings by which a file is linked that start with old prefixes. */
export interface ElfChanges {
  readonly dynamic: Dynamic | undefined;
  readonly strings: readonly ElfDynamicString[];
  readonly interpreter: ElfString | undefined;
}

/**
 * What relocation changes in the dynamic section and the interpreter. Only executables and shared objects have
 * them; entries of an rpath are each replaced at their start, and empty ones (padding) dropped, as Spack does.
 * Absolute sonames are among them only where they grow: else they are C strings like others.
 * @throws Failure `relocate.malformed`
 */
export function elfChanges(elf: Elf, map: PrefixMap): ElfChanges {
  if (elf.type !== elfType.executable && elf.type !== elfType.shared)
    return { dynamic: undefined, strings: [], interpreter: undefined };
  const dynamic = dynamicOf(elf);
  const rpaths = changedRpaths(elf, dynamic, (entries) => {
    const replaced = entries.map((entry) => replaceStart(entry, map));
    return replaced.some((entry) => entry !== undefined)
      ? entries.map((entry, i) => replaced[i] ?? entry)
      : undefined;
  });
  const names = stringsOf(elf, dynamic, [dynamicTag.needed, dynamicTag.soname]).flatMap((name) => {
    const to = replaceStart(name.from, map);
    return to === undefined || to.length <= name.from.length ? [] : [{ ...name, to }];
  });
  const found = interpreterOf(elf);
  const path = found === undefined ? undefined : replaceStart(found.path, map);
  const interpreter =
    found === undefined || path === undefined
      ? undefined
      : { offset: found.segment.offset, from: found.path, to: path };
  return { dynamic, strings: [...rpaths, ...names], interpreter };
}

/**
 * The rpath and runpath whose entries `change` replaces; undefined leaves one as it is. Empty entries, with which
 * some tools pad, are not passed on and not kept.
 */
export function changedRpaths(
  elf: Elf,
  dynamic: Dynamic | undefined,
  change: (entries: readonly Buffer[]) => readonly Buffer[] | undefined,
): ElfDynamicString[] {
  return stringsOf(elf, dynamic, [dynamicTag.rpath, dynamicTag.runpath]).flatMap((rpath) => {
    const changed = change(splitRpath(rpath.from));
    if (changed === undefined) return [];
    const to = joinRpath(changed);
    return to.equals(rpath.from) ? [] : [{ ...rpath, to }];
  });
}

/** Each string that one of these tags names, once. */
function stringsOf(
  elf: Elf,
  dynamic: Dynamic | undefined,
  tags: readonly number[],
): Omit<ElfDynamicString, "to">[] {
  if (dynamic === undefined) return [];
  const values = dynamic.entries.filter(({ tag }) => tags.includes(tag)).map(({ value }) => value);
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

/** The patch that blanks a string which is stored elsewhere from now on, but for a tail that a symbol shares. */
export function blanked(elf: Elf, { offset, from }: ElfString): Patch {
  const shared = sharedFrom(elf, { start: offset, end: offset + from.length });
  return { offset, bytes: new Uint8Array((shared ?? offset + from.length) - offset) };
}
