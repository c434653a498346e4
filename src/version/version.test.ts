import fc from "fast-check";
import { expect, test } from "vitest";
import { Failure } from "../base/failure.js";
import { compareVersions, parseVersion } from "./compare.js";
import {
  exactVersion,
  formatVersions,
  intersection,
  intersects,
  parseVersionList,
  parseVersionOrRef,
  satisfies,
  union,
  type VersionList,
} from "./version-list.js";
import { parseStandardVersion, upTo } from "./standard-version.js";

const runs = { numRuns: process.env["STOWAGE_SOAK"] === undefined ? 500 : 50_000 };

const number = fc.oneof(
  fc.nat(12).map(String),
  fc.constantFrom("00", "007", "20240131", "99999999999999999999"),
);
const word = fc.constantFrom(
  "a",
  "b",
  "z",
  "A",
  "Z",
  "zz",
  "alpha",
  "beta",
  "rc",
  "final",
  "main",
  "develop",
  "stable",
  "masteq",
);
const separator = fc.constantFrom(".", "-", "_", "", ".-");
const standard = fc
  .array(fc.tuple(fc.oneof({ weight: 3, arbitrary: number }, word), separator), {
    minLength: 1,
    maxLength: 5,
  })
  .map((parts) => parts.map(([component, after]) => component + after).join(""))
  // Forty digits are a commit.
  .filter((text) => !/^[0-9a-f]{40}$/.test(text));
const git = fc
  .tuple(
    fc.constantFrom("git.main", "git.v1.2", "git.a/b", "0123456789abcdef0123456789abcdef01234567"),
    standard,
  )
  .map(([ref, version]) => `${ref}=${version}`);
const version = fc.oneof({ weight: 5, arbitrary: standard }, git);
const ref = fc.oneof(
  fc.constantFrom("git.main", "git.a/b", "0123456789abcdef0123456789abcdef01234567"),
  standard.map((text) => `git.main=${text}:`),
);
const range = fc.oneof(
  standard,
  fc.tuple(fc.option(standard, { nil: "" }), fc.option(standard, { nil: "" })).map((ends) => ends.join(":")),
);

/** Texts that make a list; a range that ends before or where it starts is left out. */
const list = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: range },
      version.map((text) => `=${text}`),
      ref,
    ),
    {
      minLength: 1,
      maxLength: 5,
    },
  )
  .map((items) => items.filter(hasVersions).join(","))
  .filter((text) => text !== "")
  .map(parseVersionList);

function hasVersions(text: string): boolean {
  try {
    const [item] = parseVersionList(text);
    return item?.kind !== "range" || compareVersionsOf(item.start.key, item.end.key) < 0;
  } catch (error) {
    if (error instanceof Failure && error.code === "version.empty-range") return false;
    throw error;
  }
}

const compareVersionsOf = (a: string, b: string): number => (a < b ? -1 : a === b ? 0 : 1);

test("versions are in one total order", () => {
  fc.assert(
    fc.property(version, version, version, (...texts) => {
      const [a, b, c] = texts.map(parseVersion);
      if (a === undefined || b === undefined || c === undefined)
        throw new Error("three texts make three versions");
      expect(Math.sign(compareVersions(a, b))).toBe(-Math.sign(compareVersions(b, a)) + 0);
      expect(compareVersions(a, a)).toBe(0);
      expect(compareVersions(a, b) === 0).toBe(a.key === b.key);
      // The rank is only a shortcut: it never says otherwise than the key.
      expect(Math.sign(compareVersions(a, b))).toBe(compareVersionsOf(a.key, b.key));
      const [low, middle, high] = [a, b, c].sort(compareVersions);
      if (low !== undefined && middle !== undefined && high !== undefined) {
        expect(compareVersions(low, middle)).toBeLessThanOrEqual(0);
        expect(compareVersions(middle, high)).toBeLessThanOrEqual(0);
        expect(compareVersions(low, high)).toBeLessThanOrEqual(0);
      }
    }),
    runs,
  );
});

test("what satisfies a list intersects it", () => {
  fc.assert(
    fc.property(list, list, (a, b) => {
      expect(satisfies(a, a)).toBe(true);
      if (satisfies(a, b)) expect(intersects(a, b)).toBe(true);
      expect(intersects(a, b)).toBe(intersects(b, a));
    }),
    runs,
  );
});

test("an intersection satisfies both lists, and is empty only where they do not intersect", () => {
  fc.assert(
    fc.property(list, list, (a, b) => {
      const both = intersection(a, b);
      expect(satisfies(both, a)).toBe(true);
      expect(satisfies(both, b)).toBe(true);
      expect(both.length > 0).toBe(intersects(a, b));
    }),
    runs,
  );
});

test("a union holds both lists", () => {
  fc.assert(
    fc.property(list, list, (a, b) => {
      const either = union(a, b);
      expect(satisfies(a, either)).toBe(true);
      expect(satisfies(b, either)).toBe(true);
      expect(places(union(either, a))).toEqual(places(either));
    }),
    runs,
  );
});

test("a list is read from its text as it was", () => {
  fc.assert(
    fc.property(list, list, (a, b) => {
      for (const one of [a, union(a, b), intersection(a, b)].filter((items) => items.length > 0)) {
        expect(places(parseVersionList(formatVersions(one)))).toEqual(places(one));
      }
    }),
    runs,
  );
});

const places = (items: VersionList): readonly unknown[] =>
  items.map((item) => {
    if (item.kind === "range") return [item.start.key, item.end.key];
    return item.kind === "unresolved" ? [item.ref, places([item.within])] : item.key;
  });

test("a version is read from its text as it was", () => {
  fc.assert(
    fc.property(version, (text) => {
      expect(parseVersion(parseVersion(text).text)).toEqual(parseVersion(text));
    }),
    runs,
  );
});

const alphabet = [..."0123456789azAZ.-_:,=@ ~/\n\u00e9\u{1f4e6}", "git.", "alpha", "main", "0".repeat(40)];

test("a text that is no version ends in the parse failure, which names a place in it", () => {
  const nonsense = fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.array(fc.constantFrom(...alphabet), { maxLength: 30 }).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(nonsense, fc.constantFrom(parseVersionList, parseVersionOrRef), (text, parse) => {
      try {
        parse(text);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        expect(error.code).toMatch(/^version\.(invalid|empty-range)$/);
        if (error.code === "version.invalid") expect(error.message).toMatch(/ at position \d+$/);
      }
    }),
    runs,
  );
});

test("ten times the text takes about ten times as long", () => {
  const shapes = ["1.", "a1", "0", "9", "_", "1,", "1:", "=1,", "git.a,", "1.2:1.3,", "rc1", "z"];
  for (const shape of shapes) {
    const short = shape.repeat(Math.ceil(1000 / shape.length));
    const long = short.repeat(10);
    expect(quickest(long) / quickest(short), `shape ${shape}`).toBeLessThan(60);
  }
});

/** Milliseconds of the fastest of some readings, so that a busy machine does not count. */
function quickest(text: string): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 15; round++) {
    const start = performance.now();
    try {
      parseVersionList(text);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
    best = Math.min(best, performance.now() - start);
  }
  return Math.max(best, 0.02);
}

test("a failure says what stands where", () => {
  expect(() => parseVersionList("1.2,1.3/4")).toThrow(
    'cannot read version "1.2,1.3/4": a character that may not stand at position 7',
  );
  expect(() => parseVersionList("1:2:3")).toThrow("a second colon at position 3");
  expect(() => parseVersionList("1.4:1.2")).toThrow("version range 1.4:1.2 is empty");
  expect(() => parseVersion("git.main")).toThrow("git ref main has no version to compare by");
});

test("a git ref without a version may be any version, and must be none", () => {
  const [main, below] = [parseVersionList("git.main"), parseVersionList("1.2:")];
  expect(intersects(main, below)).toBe(true);
  expect(satisfies(main, below)).toBe(false);
  expect(satisfies(main, parseVersionList(":"))).toBe(true);
  expect(satisfies(parseVersionList("git.main=1.3"), main)).toBe(true);
  expect(formatVersions(intersection(main, below))).toBe("git.main=1.2:");
  expect(formatVersions(parseVersionList("git.main,git.a,1.2,git.main"))).toBe("1.2,git.a,git.main");
});

test("upTo() counts components from either end", () => {
  const found = parseStandardVersion("1.23-4b");
  expect([1, 2, 3, 4, -1, -3].map((count) => upTo(found, count).text)).toEqual([
    "1",
    "1.23",
    "1.23-4",
    "1.23-4b",
    "1.23-4",
    "1",
  ]);
});

test("exactVersion() is the one version of a list, never a range", () => {
  expect(exactVersion(parseVersionList("=1.2"))?.text).toBe("1.2");
  expect(exactVersion(parseVersionList("1.2"))).toBeUndefined();
  expect(exactVersion(parseVersionList("=1.2,=1.3"))).toBeUndefined();
});
