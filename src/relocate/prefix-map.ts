import { Failure } from "../base/failure.js";

/** One old prefix and what takes its place, as bytes. */
export interface PrefixEntry {
  readonly from: Buffer;
  readonly to: Buffer;
}

/** Old prefixes and their replacements, in order: where several match at one place, the first wins. */
export interface PrefixMap {
  /** Without identities and repeats. */
  readonly entries: readonly PrefixEntry[];
  /** Entries that share a stem, so that one search for the stem finds candidates for all of them. */
  readonly groups: readonly PrefixGroup[];
}

interface PrefixGroup {
  readonly stem: Buffer;
  /** In map order. */
  readonly entries: readonly PrefixEntry[];
}

/** Where an old prefix was found. */
export interface PrefixMatch {
  readonly at: number;
  readonly entry: PrefixEntry;
}

/** A stem shorter than this is found too often to be worth sharing, unless it is an old prefix itself. */
const shortestStem = 8;

/** The map as strings, which can be sent to a worker thread. */
export type PrefixPairs = Iterable<readonly [from: string, to: string]>;

/**
 * Builds the map that all relocation works with. Identities are dropped; of equal old prefixes the first stays.
 * Order as Spack's: sbang path, package prefixes, store root.
 * @throws Failure `relocate.prefix-invalid` for a prefix that is not an absolute path
 */
export function prefixMapOf(pairs: PrefixPairs): PrefixMap {
  const entries = new Map<string, PrefixEntry>();
  for (const [from, to] of pairs) {
    for (const prefix of [from, to])
      if (!/^\/[^\0\n]*[^\0\n/]$/.test(prefix))
        throw new Failure(
          "usage",
          `cannot relocate "${from}" to "${to}": "${prefix}" is not an absolute path`,
          {
            code: "relocate.prefix-invalid",
            subject: prefix,
          },
        );
    if (from !== to && !entries.has(from))
      entries.set(from, { from: Buffer.from(from), to: Buffer.from(to) });
  }
  const all = [...entries.values()];
  return { entries: all, groups: groupsOf(all) };
}

/** Sorting brings prefixes with a common stem together. */
function groupsOf(entries: readonly PrefixEntry[]): PrefixGroup[] {
  const groups: { stem: Buffer; members: Set<PrefixEntry> }[] = [];
  for (const entry of entries.toSorted((a, b) => Buffer.compare(a.from, b.from))) {
    const last = groups.at(-1);
    const common = last === undefined ? 0 : commonLength(last.stem, entry.from);
    if (last !== undefined && (common === last.stem.length || common >= shortestStem)) {
      last.stem = last.stem.subarray(0, common);
      last.members.add(entry);
    } else groups.push({ stem: entry.from, members: new Set([entry]) });
  }
  return groups.map(({ stem, members }) => ({ stem, entries: entries.filter((e) => members.has(e)) }));
}

function commonLength(a: Buffer, b: Buffer): number {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end && a[at] === b[at]) at += 1;
  return at;
}

/** Calls for one buffer with rising `from`: the leftmost match at or after it. */
export type PrefixSearch = (from: number) => PrefixMatch | undefined;

/**
 * Searches `bytes` as one alternation of all old prefixes would: leftmost position first, then first in map
 * order. Each stem is looked for once over the whole buffer, however many matches there are.
 */
export function createPrefixSearch(bytes: Uint8Array, map: PrefixMap): PrefixSearch {
  const buffer = bufferOf(bytes);
  const cursors = map.groups.map((group) => ({ group, at: -1 }));
  return (from) => {
    for (;;) {
      let first: (typeof cursors)[number] | undefined;
      for (const cursor of cursors) {
        if (cursor.at < from) cursor.at = positionOf(buffer, cursor.group.stem, from);
        if (first === undefined || cursor.at < first.at) first = cursor;
      }
      if (first === undefined || first.at === Number.POSITIVE_INFINITY) return undefined;
      const { at, group } = first;
      const entry = group.entries.find((e) => startsAt(buffer, e.from, at, group.stem.length));
      if (entry !== undefined) return { at, entry };
      first.at = positionOf(buffer, group.stem, at + 1);
    }
  };
}

function positionOf(buffer: Buffer, stem: Buffer, from: number): number {
  const at = buffer.indexOf(stem, from);
  return at === -1 ? Number.POSITIVE_INFINITY : at;
}

/** Whether `wanted` stands at `at`; its first `known` bytes are known to. */
function startsAt(buffer: Buffer, wanted: Buffer, at: number, known: number): boolean {
  if (at + wanted.length > buffer.length) return false;
  for (let i = known; i < wanted.length; i += 1) if (buffer[at + i] !== wanted[i]) return false;
  return true;
}

/** `path` with an old prefix at its start replaced; undefined where it starts with none. */
export function replaceStart(path: Uint8Array, map: PrefixMap): Buffer | undefined {
  const buffer = bufferOf(path);
  const entry = map.entries.find((e) => startsAt(buffer, e.from, 0, 0));
  return entry === undefined ? undefined : Buffer.concat([entry.to, buffer.subarray(entry.from.length)]);
}

/** The same memory with Buffer's search. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const words = new Set(Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"));
/** ASCII `[\w\-]`. */
export const isWord = (byte: number | undefined): boolean => byte !== undefined && words.has(byte);
