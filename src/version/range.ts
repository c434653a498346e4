import { Failure } from "../base/failure.js";
import { comparePlaces, highest, lowest, type Place, placeAfter } from "./order.js";
import {
  normalizedText,
  parseStandardVersion,
  segmentsOf,
  type StandardVersion,
} from "./standard-version.js";
import { invalid } from "./invalid.js";

/** Versions from `start` up to and without `end`. Its text names the last version instead: `1.2:1.4` ends before 1.5. */
export interface VersionRange {
  readonly kind: "range";
  readonly text: string;
  readonly start: Bound;
  readonly end: Bound;
}

/** A place, and the version that it was written as: none for an open end. */
interface Bound extends Place {
  readonly version: StandardVersion | undefined;
}

const openStart: Bound = { ...lowest, version: undefined };
const openEnd: Bound = { ...highest, version: undefined };

export const anyVersion: VersionRange = { kind: "range", text: ":", start: openStart, end: openEnd };

/**
 * Reads `A:B`, `A:`, `:B`, `:`, or `A`, which is short for `A:A`.
 * @throws Failure `version.invalid`; `version.empty-range` where the end comes before the start
 */
export function parseRange(text: string, { whole = text, from = 0 } = {}): VersionRange {
  const colon = text.indexOf(":");
  const first = colon < 0 ? text : text.slice(0, colon);
  const last = text.slice(colon + 1);
  const second = last.indexOf(":");
  if (second >= 0) throw invalid(whole, from + colon + 1 + second, "a second colon");
  const read = (part: string, at: number) => parseStandardVersion(part, { whole, from: from + at });
  const low = colon >= 0 && first === "" ? undefined : read(first, 0);
  const high = colon < 0 ? low : last === "" ? undefined : read(last, colon + 1);
  const start = low === undefined ? openStart : { rank: low.rank, key: low.key, version: low };
  const end = high === undefined ? openEnd : endAfter(high);
  if (comparePlaces(end, start) < 0)
    throw new Failure("usage", `version range ${text} is empty: it ends before it starts`, {
      code: "version.empty-range",
      subject: whole,
    });
  return { kind: "range", text: rangeText(low, high, high?.text), start, end };
}

function endAfter(last: StandardVersion): Bound {
  const { release, phase } = segmentsOf(last);
  return { ...placeAfter(release, phase), version: last };
}

function rangeText(low: StandardVersion | undefined, high: StandardVersion | undefined, last = ""): string {
  if (low !== undefined && high !== undefined && low.key === high.key) return low.text;
  return `${low?.text ?? ""}:${last}`;
}

/** A range made of others' bounds. Like Spack, it writes its end without leading zeros. */
function rangeOf(start: Bound, end: Bound): VersionRange {
  const high = end.version;
  return {
    kind: "range",
    text: rangeText(start.version, high, high && normalizedText(high)),
    start,
    end,
  };
}

export const holds = ({ start, end }: VersionRange, place: Place): boolean =>
  comparePlaces(start, place) <= 0 && comparePlaces(place, end) < 0;

export const rangesIntersect = (a: VersionRange, b: VersionRange): boolean =>
  comparePlaces(a.start, b.end) < 0 && comparePlaces(b.start, a.end) < 0;

export const rangeWithin = (inner: VersionRange, outer: VersionRange): boolean =>
  comparePlaces(outer.start, inner.start) <= 0 && comparePlaces(inner.end, outer.end) <= 0;

/** The range of both; undefined where nothing is left. */
export function rangeIntersection(a: VersionRange, b: VersionRange): VersionRange | undefined {
  const start = comparePlaces(b.start, a.start) > 0 ? b.start : a.start;
  const end = comparePlaces(b.end, a.end) < 0 ? b.end : a.end;
  return comparePlaces(start, end) < 0 ? rangeOf(start, end) : undefined;
}

/** The range of either; undefined where a gap is between them. Touching ranges have none: 1:2 and 3:4 make 1:4. */
export function rangeUnion(a: VersionRange, b: VersionRange): VersionRange | undefined {
  if (comparePlaces(a.start, b.end) > 0 || comparePlaces(b.start, a.end) > 0) return undefined;
  const start = comparePlaces(b.start, a.start) < 0 ? b.start : a.start;
  const end = comparePlaces(b.end, a.end) > 0 ? b.end : a.end;
  return rangeOf(start, end);
}
