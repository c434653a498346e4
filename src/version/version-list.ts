import {
  type GitVersion,
  isGitVersionText,
  parseGitVersion,
  refWithin,
  type UnresolvedGitVersion,
} from "./git-version.js";
import { comparePlaces, type Place } from "./order.js";
import {
  anyVersion,
  holds,
  parseRange,
  rangeIntersection,
  rangesIntersect,
  rangeUnion,
  rangeWithin,
  type VersionRange,
} from "./range.js";
import { parseStandardVersion, type StandardVersion } from "./standard-version.js";

/** One version that has its place in the order. */
export type Version = StandardVersion | GitVersion;

/** What a version list is made of. */
export type VersionConstraint = Version | VersionRange | UnresolvedGitVersion;

/** A set of versions, as it stands after `@`: sorted, nothing in it twice, no two ranges that touch. */
export type VersionList = readonly VersionConstraint[];

/** The list of all versions. */
export const anyVersions: VersionList = [anyVersion];

/**
 * Reads a version list: `1.2`, `=1.2`, `1.2:1.4`, `git.main=1.2`, several of them with commas. Spaces are dropped.
 * @throws Failure `version.invalid`, `version.empty-range`
 */
export function parseVersionList(text: string): VersionList {
  const whole = text.replaceAll(" ", "");
  const list: VersionConstraint[] = [];
  let from = 0;
  for (const part of whole.split(",")) {
    add(list, parseConstraint(part, { whole, from }));
    from += part.length + 1;
  }
  return list;
}

function parseConstraint(text: string, place: { whole: string; from: number }): VersionConstraint {
  if (text.startsWith("=")) return parseVersionOrRef(text.slice(1), { ...place, from: place.from + 1 });
  return isGitVersionText(text) ? parseGitVersion(text, place) : parseRange(text, place);
}

/**
 * Reads one version: a standard one, a git ref with its version, or a git ref without.
 * @throws Failure `version.invalid`
 */
export const parseVersionOrRef = (
  text: string,
  place?: { whole: string; from: number },
): Version | UnresolvedGitVersion =>
  isGitVersionText(text) ? parseGitVersion(text, place) : parseStandardVersion(text, place);

/** The canonical text: exact versions with `=`. */
export const formatVersions = (list: VersionList): string =>
  list.map((item) => (item.kind === "standard" ? `=${item.text}` : item.text)).join(",");

/** The version that this list holds, where it is exactly one. */
export function exactVersion(list: VersionList): Version | undefined {
  const [only] = list;
  return list.length === 1 && only !== undefined && isVersion(only) ? only : undefined;
}

const isVersion = (item: VersionConstraint): item is Version =>
  item.kind === "standard" || item.kind === "git";

type Items = VersionList | VersionConstraint;

/** Whether every version of `a` is one of `b`. */
export const satisfies = (a: Items, b: Items): boolean => every(a, (x) => some(b, (y) => isWithin(x, y)));

/** Whether a version can be in both; a git ref without a version may be any that it is not bound against. */
export const intersects = (a: Items, b: Items): boolean => some(a, (x) => some(b, (y) => meets(x, y)));

const isList = (items: Items): items is VersionList => Array.isArray(items);
const some = (items: Items, test: (item: VersionConstraint) => boolean): boolean =>
  isList(items) ? items.some(test) : test(items);
const every = (items: Items, test: (item: VersionConstraint) => boolean): boolean =>
  isList(items) ? items.every(test) : test(items);

function isWithin(a: VersionConstraint, b: VersionConstraint): boolean {
  if (b.kind === "range") {
    if (a.kind === "range") return rangeWithin(a, b);
    return a.kind === "unresolved" ? rangeWithin(a.within, b) : holds(b, placeInRange(a));
  }
  if (a.kind === "range") return false;
  if (b.kind === "unresolved")
    return (
      a.kind !== "standard" && a.ref === b.ref && isWithin(a.kind === "git" ? a.version : a.within, b.within)
    );
  return a.kind !== "unresolved" && a.key === b.key;
}

/** Ranges see a git version as the version that it stands for. */
const placeInRange = (version: Version): Place => (version.kind === "git" ? version.version : version);

function meets(a: VersionConstraint, b: VersionConstraint): boolean {
  if (a.kind === "unresolved" || b.kind === "unresolved") return meeting(a, b) !== undefined;
  if (a.kind === "range") return b.kind === "range" ? rangesIntersect(a, b) : holds(a, placeInRange(b));
  return b.kind === "range" ? holds(b, placeInRange(a)) : a.key === b.key;
}

/** What is in both; undefined where nothing is. */
function meeting(a: VersionConstraint, b: VersionConstraint): VersionConstraint | undefined {
  if (a.kind === "unresolved" && b.kind === "unresolved" && a.ref !== b.ref) return undefined;
  if (a.kind === "unresolved" && (b.kind === "range" || b.kind === "unresolved")) {
    const within = rangeIntersection(a.within, b.kind === "range" ? b : b.within);
    return within && refWithin(a, within);
  }
  if (b.kind === "unresolved" && a.kind === "range") return meeting(b, a);
  if (a.kind === "range" && b.kind === "range") return rangeIntersection(a, b);
  if (isVersion(a)) return isWithin(a, b) ? a : undefined;
  return isWithin(b, a) ? b : undefined;
}

/** What is in both lists; the empty list where nothing is. */
export function intersection(a: VersionList, b: VersionList): VersionList {
  const result: VersionConstraint[] = [];
  for (const [these, those] of [
    [a, b],
    [b, a],
  ] as const)
    for (const item of these) {
      const at = insertionPoint(those, item);
      // Git refs without a version come last and may meet anything; all else meets at most its neighbours here.
      const near = item.kind === "unresolved" ? those : those.slice(Math.max(0, at - 1), at + 1);
      for (const other of near) {
        const both = meeting(other, item);
        if (both !== undefined) add(result, both);
      }
    }
  return result;
}

/** What is in either list. */
export function union(a: VersionList, b: VersionList): VersionList {
  const result = [...a];
  for (const item of b) add(result, item);
  return result;
}

/** Puts an item in its place; the list stays canonical. */
function add(list: VersionConstraint[], item: VersionConstraint): void {
  if (item.kind === "range") addRange(list, item);
  else addVersion(list, item);
}

function addVersion(list: VersionConstraint[], item: Version | UnresolvedGitVersion): void {
  const at = insertionPoint(list, item);
  const anywhere = item.kind === "unresolved" || list.at(-1)?.kind === "unresolved";
  const near = anywhere ? list : list.slice(Math.max(0, at - 1), at + 1);
  if (near.some((other) => isWithin(item, other))) return;
  list.splice(at, 0, item);
  if (item.kind === "unresolved") dropCovered(list, item);
}

function addRange(list: VersionConstraint[], range: VersionRange): void {
  let start = insertionPoint(list, range);
  let end = start;
  let merged = range;
  const merge = (other: VersionConstraint | undefined): boolean => {
    const joined = other && joinedRange(merged, other);
    if (joined !== undefined) merged = joined;
    return joined !== undefined;
  };
  while (merge(list[start - 1])) start -= 1;
  while (merge(list[end])) end += 1;
  list.splice(start, end - start, merged);
  dropCovered(list, merged);
}

/** `range` and what it swallows; undefined where the other stands apart. */
function joinedRange(range: VersionRange, other: VersionConstraint): VersionRange | undefined {
  if (other.kind === "range") return rangeUnion(range, other);
  return isWithin(other, range) ? range : undefined;
}

/** Takes out the git refs without a version that `by` covers now. */
function dropCovered(list: VersionConstraint[], by: VersionConstraint): void {
  for (let i = list.length - 1; i >= 0 && list[i]?.kind === "unresolved"; i--) {
    const other = list[i];
    if (other !== undefined && other !== by && isWithin(other, by)) list.splice(i, 1);
  }
}

/** The first index whose item does not come before `item`. */
function insertionPoint(list: VersionList, item: VersionConstraint): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = list[middle];
    if (other !== undefined && compareConstraints(other, item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Order in a list: by version or start of range, a range after the versions it starts with, git refs last. */
function compareConstraints(a: VersionConstraint, b: VersionConstraint): number {
  if (a.kind === "unresolved" || b.kind === "unresolved") {
    if (a.kind !== b.kind) return a.kind === "unresolved" ? 1 : -1;
    return a.text < b.text ? -1 : a.text === b.text ? 0 : 1;
  }
  if (a.kind !== "range" && b.kind !== "range") return comparePlaces(a, b);
  if (a.kind === "range" && b.kind === "range")
    return comparePlaces(a.start, b.start) || comparePlaces(a.end, b.end);
  if (a.kind === "range") return -compareConstraints(b, a);
  return b.kind === "range" && comparePlaces(placeInRange(a), b.start) > 0 ? 1 : -1;
}
