import fc from "fast-check";
import { expect, test } from "vitest";
import { prefixMapOf } from "./prefix-map.js";
import { relocateText } from "./text.js";

const runs = process.env["STOWAGE_SOAK"] ? 20_000 : 500;
const moved = (text: string, pairs: [string, string][]) => {
  const bytes = relocateText(Buffer.from(text, "latin1"), prefixMapOf(pairs));
  return bytes === undefined ? undefined : Buffer.from(bytes).toString("latin1");
};

test("an old prefix counts only where a path starts", () => {
  const pairs: [string, string][] = [["/old", "/new"]];
  expect(moved("#!/old/bin/sh", pairs)).toBe("#!/new/bin/sh");
  expect(moved("-I/old/include:/old", pairs)).toBe("-I/new/include:/new");
  expect(moved("/mnt/old/x -L/mnt/old", pairs)).toBeUndefined();
  expect(moved("/old/x/old/y /older", pairs)).toBe("/new/x/old/y /newer");
  expect(moved("file:///old", pairs)).toBeUndefined();
});

test("the first prefix of the map wins at one place, whatever its length", () => {
  expect(
    moved("/s/p/x /s/q", [
      ["/s/p", "/t/p2"],
      ["/s", "/u"],
    ]),
  ).toBe("/t/p2/x /u/q");
  expect(
    moved("/s/p/x /s/q", [
      ["/s", "/u"],
      ["/s/p", "/t/p2"],
    ]),
  ).toBe("/u/p/x /u/q");
});

/** Spack's expression, run by the regular expressions of this language over one character a byte. */
function asSpack(text: string, pairs: [string, string][]): string | undefined {
  const olds = pairs.map(([from]) => from).join("|");
  const found = new RegExp(`(?<![\\w\\-_/])([\\w\\-_]*?)(${olds})([\\w\\-_/]*)`, "g");
  const result = text.replace(
    found,
    (_, before, old, after) => before + (pairs.find(([from]) => from === old)?.[1] ?? "") + after,
  );
  return result === text ? undefined : result;
}

const prefixes = ["/a", "/a/b", "/a/b-1", "/ab", "/opt/store", "/opt/store/x", "/opt/storage/y"];
const prefix = fc.constantFrom(...prefixes);
const pairsOfMap = fc
  .uniqueArray(prefix, { minLength: 1, maxLength: 6 })
  .map((olds) => olds.map((old, i): [string, string] => [old, `/N${i}`]));

test("any text relocates as by Spack's regular expression", () => {
  const piece = fc.oneof(
    prefix,
    fc.constantFrom("", "/", "x", "-", "_", ":", " ", "\n", "é", "\0", "/x/", "b"),
  );
  fc.assert(
    fc.property(pairsOfMap, fc.array(piece, { maxLength: 12 }), (pairs, pieces) => {
      const text = pieces.join("");
      expect(moved(text, pairs)).toBe(asSpack(text, pairs));
    }),
    { numRuns: runs },
  );
});

test("text relocated there and back is the text", () => {
  const word = fc.oneof(fc.constantFrom("/old/store", "/old/store/p-1"), fc.stringMatching(/^[ a-z:/]*$/));
  fc.assert(
    fc.property(fc.array(word), (words) => {
      const text = words.join("\n");
      const there = moved(text, [["/old/store", "/somewhere/else"]]) ?? text;
      expect(moved(there, [["/somewhere/else", "/old/store"]]) ?? there).toBe(text);
    }),
    { numRuns: runs },
  );
});
