import {
  type Dynamic,
  type Elf,
  dynamicOf,
  dynamicString,
  dynamicTag,
  elfType,
  interpreterOf,
} from "./elf.js";
import { sharedTails } from "./elf-symbols.js";
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

/** Strings written over in their places, and those that need to be moved to other places. */
export interface Placed {
  readonly fitting: readonly Patch[];
  readonly outgrown: ReadonlySet<ElfString>;
  /** Blanks where those were. */
  readonly blanks: readonly Patch[];
}

/**
 * Writes strings over the old ones, filled with NUL, where they have room. Where a symbol shares the tail of a string
 * (`b` that of `/x/lib`), slashes in front keep the tail in its place, else it has no room.
 * @throws Failure `relocate.malformed`
 */
export function placeStrings(elf: Elf, strings: readonly ElfString[]): Placed {
  const shared = sharedTails(
    elf,
    strings.map(({ offset, from }) => ({ start: offset, end: offset + from.length })),
  );
  const fitting: Patch[] = [];
  const outgrown = new Set<ElfString>();
  const blanks: Patch[] = [];
  for (const string of strings) {
    const { offset, from } = string;
    const tail = from.length - ((shared.get(offset) ?? offset + from.length) - offset);
    const bytes = overwritten(string, tail);
    if (bytes !== undefined) fitting.push({ offset, bytes });
    else {
      outgrown.add(string);
      blanks.push({ offset, bytes: new Uint8Array(from.length - tail) });
    }
  }
  return { fitting, outgrown, blanks };
}

function overwritten({ from, to }: ElfString, tail: number): Buffer | undefined {
  if (to.length > from.length) return undefined;
  const bytes = Buffer.alloc(from.length);
  if (tail === 0) {
    to.copy(bytes);
    return bytes;
  }
  const movable = to.length === from.length || to[0] === slash;
  if (!movable || !to.subarray(-tail).equals(from.subarray(-tail))) return undefined;
  bytes.fill(slash);
  to.copy(bytes, from.length - to.length);
  return bytes;
}
