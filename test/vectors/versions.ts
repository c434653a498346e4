import { Failure } from "../../src/base/failure.js";
import { compareVersions, parseVersion } from "../../src/version/compare.js";
import {
  dashed,
  dotted,
  isDevelop,
  isPrerelease,
  joined,
  parseStandardVersion,
  segmentsOf,
  underscored,
  upTo,
} from "../../src/version/standard-version.js";
import {
  formatVersions,
  intersection,
  intersects,
  parseVersionList,
  satisfies,
  union,
  type VersionList,
} from "../../src/version/version-list.js";
import { type Answer, type Line, textField, type VectorKind } from "./kind.js";

/** Lines of versions.jsonl. */
export const versions: VectorKind = {
  name: "versions",
  questions: ["v", "a", "b", "intersectionErr"],
  accepts: (line) =>
    line["op"] === "rel" ||
    (line["op"] === "parse" && "v" in line && !("isGit" in line)) ||
    (line["op"] === "cmp" && "r" in line),
  open: () => (line) => {
    if (line["op"] === "parse") return parse(textField(line, "v"));
    return line["op"] === "cmp" ? compare(line) : relate(line);
  },
};

function parse(text: string): Answer {
  const version = answerOf(() => parseStandardVersion(text));
  if ("err" in version) return version;
  const { release } = segmentsOf(version);
  const counts = release.map((_, i) => i + 1).slice(0, -1);
  return {
    str: version.text,
    len: release.length,
    dotted: dotted(version).text,
    dashed: dashed(version).text,
    underscored: underscored(version).text,
    joined: joined(version).text,
    develop: isDevelop(version),
    prerelease: isPrerelease(version),
    upTo: counts.map((count) => upTo(version, count).text),
    upToNeg: counts.map((count) => upTo(version, -count).text),
  };
}

function compare(line: Line): Answer {
  const order = compareVersions(parseVersion(textField(line, "a")), parseVersion(textField(line, "b")));
  return { r: Math.sign(order), eq: order === 0 };
}

function relate(line: Line): Answer {
  const a = read(textField(line, "a"));
  if ("err" in a) return { errA: a.err };
  const b = read(textField(line, "b"));
  if ("err" in b) return { errB: b.err };
  const bare = a.bare && b.bare;
  return {
    strA: written(a.list, a.bare),
    strB: written(b.list, b.bare),
    satisfies: satisfies(a.list, b.list),
    satisfiedBy: satisfies(b.list, a.list),
    intersects: intersects(a.list, b.list),
    // Spack's range has no intersection with a list ("intersectionErr"): nothing to compare with.
    intersection: written(intersection(a.list, b.list), bare),
    union: written(union(a.list, b.list), bare),
  };
}

type Read = { list: VersionList; bare: boolean } | { err: string };

const read = (text: string): Read =>
  answerOf(() => ({ list: parseVersionList(text), bare: !text.includes(",") }));

/** What we make of a text, or the name of Spack's error for it. */
function answerOf<T>(parse: () => T): T | { err: string } {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { err: error.code === "version.empty-range" ? "EmptyRangeError" : "ValueError" };
  }
}

/** Spack writes `=` before an exact version in a list, and not where it stands alone. */
const written = (list: VersionList, bare: boolean): string =>
  bare && list.length === 1 ? formatVersions(list).replace(/^=/, "") : formatVersions(list);
