import type { Patch } from "./patch.js";
import { bufferOf, createPrefixSearch, isWord, type PrefixEntry, type PrefixMap } from "./prefix-map.js";
import type { RelocationProblem } from "./problem.js";

/**
 * Short paths that lead to where old prefixes are now: old prefix to alias, used where a C string has no room for
 * the new prefix.
 */
export type Aliases = ReadonlyMap<string, string>;

export interface CStringOptions {
  readonly aliases?: Aliases | undefined;
  /** What has been relocated already and is not looked at: these patches' places. */
  readonly done?: readonly Patch[] | undefined;
}

export interface CStringRelocation {
  readonly patches: readonly Patch[];
  readonly problems: readonly RelocationProblem[];
  /** Old prefixes whose alias was used. */
  readonly aliased: ReadonlySet<string>;
}

/**
 * Linkers store a string that is the tail of another only once, so the end of a string must stay as it is.
 * Spack trusts a shared tail to be no longer than this many bytes.
 */
const sharedTail = 7;

const slash = 0x2f;
const newline = 0x0a;

/**
 * Replaces old prefixes in strings of a binary, each in its place: no byte moves. The rule is Spack's: a match is
 * `(OLD)([^\0]{0,7}\0)?`; see `replacementOf`. What has no room is a problem and stays.
 */
export function relocateCStrings(
  bytes: Uint8Array,
  map: PrefixMap,
  { aliases, done = [] }: CStringOptions = {},
): CStringRelocation {
  const buffer = bufferOf(bytes);
  const find = createPrefixSearch(buffer, map);
  const patches: Patch[] = [];
  const problems: RelocationProblem[] = [];
  const aliased = new Set<string>();
  for (let from = 0; ; ) {
    const match = find(from);
    if (match === undefined) return { patches, problems, aliased };
    const { at, entry } = match;
    const end = at + entry.from.length;
    const within = done.find(({ offset, bytes: { length } }) => offset < end && at < offset + length);
    if (within !== undefined) {
      from = within.offset + within.bytes.length;
      continue;
    }
    const nul = buffer.subarray(end, end + sharedTail + 1).indexOf(0);
    const suffix = nul === -1 ? undefined : buffer.subarray(end, end + nul + 1);
    from = end + (suffix?.length ?? 0);
    const alias = aliases?.get(entry.from.toString());
    const direct = replacementOf(entry, suffix);
    const bytesHere =
      direct ??
      (alias === undefined ? undefined : replacementOf({ from: entry.from, to: Buffer.from(alias) }, suffix));
    if (bytesHere === undefined) {
      // `/opt/store2` is not below `/opt/store`: there is nothing to relocate.
      if (!isWord(buffer[end])) problems.push(problemAt(buffer, at, entry));
    } else {
      patches.push({ offset: at, bytes: bytesHere });
      if (direct === undefined) aliased.add(entry.from.toString());
    }
  }
}

/**
 * What is written in place of `from` and `suffix` (the rest of the string with its NUL, where that is near).
 * Slashes in front make a shorter prefix as long as the old one, so that the tail stays where it is. Where the tail
 * would change, the string is ended early and the old tail left for those who share it.
 * @returns undefined where neither can be done
 */
function replacementOf({ from, to }: PrefixEntry, suffix: Buffer | undefined): Buffer | undefined {
  const shorter = from.length - to.length;
  if (shorter < 0) return undefined;
  const tail = suffix === undefined ? 0 : sharedTail - (suffix.length - 1);
  if (lastBytes(from, tail).equals(lastBytes(to, tail)))
    return Buffer.concat([Buffer.alloc(shorter, slash), to]);
  return suffix !== undefined && shorter > sharedTail ? Buffer.concat([to, suffix]) : undefined;
}

const lastBytes = (bytes: Buffer, count: number): Buffer => bytes.subarray(Math.max(0, bytes.length - count));

/** Whether `to` fits into every C string that holds `from`, whatever follows it. */
export function alwaysFits(from: string, to: string): boolean {
  const entry = { from: Buffer.from(from), to: Buffer.from(to) };
  return replacementOf(entry, Buffer.alloc(1)) !== undefined;
}

/** A string that is reported is cut here: what it names is visible by then. */
const longestShown = 256;

function problemAt(buffer: Buffer, at: number, { from, to }: PrefixEntry): RelocationProblem {
  const shown = buffer.subarray(at, at + longestShown);
  const end = shown.findIndex((byte) => byte === 0 || byte === newline);
  return {
    kind: to.length > from.length ? "cannot-grow" : "cannot-shrink",
    offset: at,
    text: shown.subarray(0, end === -1 ? undefined : end).toString(),
    prefix: from.toString(),
    room: to.length > from.length ? from.length : Math.max(0, from.length - sharedTail - 1),
  };
}
