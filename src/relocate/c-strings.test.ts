import fc from "fast-check";
import { expect, test } from "vitest";
import { alwaysFits, relocateCStrings } from "./c-strings.js";
import { applyPatches } from "./patch.js";
import { prefixMapOf } from "./prefix-map.js";

const runs = process.env["STOWAGE_SOAK"] ? 20_000 : 500;
const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
function moved(text: string, pairs: [string, string][], aliases?: Map<string, string>) {
  const bytes = Buffer.from(text, "latin1");
  const { patches, problems, aliased } = relocateCStrings(bytes, prefixMapOf(pairs), { aliases });
  return { text: latin1(applyPatches(bytes, patches)), problems, aliased: [...aliased] };
}

test("a shorter prefix is filled with slashes in front, so that the tail stays where it is", () => {
  expect(moved("\0/opt/old/tree/lib/x.so\0", [["/opt/old/tree", "/opt/new"]]).text).toBe(
    "\0//////opt/new/lib/x.so\0",
  );
});

test("a string that ends soon is filled only if its last seven bytes stay", () => {
  expect(moved("/opt/old/p-abcdefg\0", [["/opt/old/p-abcdefg", "/new/p-abcdefg"]]).text).toBe(
    "/////new/p-abcdefg\0",
  );
  expect(moved("/a/long/prefix/one/b\0", [["/a/long/prefix/one", "/two"]]).text).toBe(
    "/two/b\0/prefix/one/b\0",
  );
});

test("what would need more room, or would change a tail, is a problem and stays", () => {
  const grown = moved("x\0/old/lib/a.so\0", [["/old", "/longer"]]);
  expect(grown.text).toBe("x\0/old/lib/a.so\0");
  expect(grown.problems).toEqual([
    { kind: "cannot-grow", offset: 2, text: "/old/lib/a.so", prefix: "/old", room: 4 },
  ]);
  const shrunk = moved("/opt/old\0", [["/opt/old", "/opt/n"]]);
  expect(shrunk.text).toBe("/opt/old\0");
  expect(shrunk.problems).toMatchObject([{ kind: "cannot-shrink", offset: 0, text: "/opt/old" }]);
});

test("a longer name that only starts like an old prefix is no problem", () => {
  expect(moved("/opt/store2/x", [["/opt/store", "/opt/longer"]])).toMatchObject({
    text: "/opt/store2/x",
    problems: [],
  });
});

test("an alias is used only where the new prefix has no room", () => {
  const aliases = new Map([["/s/linux/name-1.0-hash", "/much/longer/.a/x"]]);
  const pairs: [string, string][] = [
    ["/s/linux/name-1.0-hash", "/much/longer/linux/name-1.0-hash"],
    ["/s", "/much/longer"],
  ];
  const found = moved("/s/linux/name-1.0-hash/share/greet\0/s\0", pairs, aliases);
  expect(found.text).toBe("//////much/longer/.a/x/share/greet\0/s\0");
  expect(found.aliased).toEqual(["/s/linux/name-1.0-hash"]);
  expect(found.problems).toMatchObject([{ kind: "cannot-grow", text: "/s" }]);
});

test("a prefix that always fits has room in every string", () => {
  const path = fc.stringMatching(/^(\/[ab]{1,6}){1,4}$/);
  fc.assert(
    fc.property(path, path, fc.stringMatching(/^[ab/]{0,9}$/), (from, to, rest) => {
      fc.pre(from !== to && alwaysFits(from, to) && !rest.includes(from));
      expect(moved(`${from}${rest}\0`, [[from, to]]).problems).toEqual([]);
    }),
    { numRuns: runs },
  );
});

/** Spack's rule on its regular expression, one character a byte. */
function asSpack(text: string, pairs: [string, string][]): string {
  const olds = pairs.map(([from]) => from).join("|");
  let result = text;
  for (const match of text.matchAll(new RegExp(`(${olds})([^\\0]{0,7}\\0)?`, "g"))) {
    const old = match[1] ?? "";
    const suffix = match[2];
    const to = pairs.find(([from]) => from === old)?.[1] ?? "";
    const shorter = old.length - to.length;
    const tail = suffix === undefined ? 0 : 8 - suffix.length;
    let put: string | undefined;
    if (shorter < 0) continue;
    if (tail === 0 || old.slice(-tail) === to.slice(-tail)) put = "/".repeat(shorter) + to;
    else if (shorter > 7) put = to + suffix;
    if (put !== undefined)
      result = result.slice(0, match.index) + put + result.slice(match.index + put.length);
  }
  return result;
}

test("any bytes keep their length and change as by Spack's rule", () => {
  const olds = ["/a", "/a/b", "/opt/store", "/opt/store/linux/p-1-abcdefg", "/opt/store/linux/q-1-abcdefg"];
  const news = [
    "/a",
    "/n",
    "/opt/f",
    "/opt/f/linux/p-1-abcdefg",
    "/opt/storf",
    "/very/much/longer/than/any/old",
  ];
  const pairsOfMap = fc
    .uniqueArray(fc.tuple(fc.constantFrom(...olds), fc.constantFrom(...news)), {
      minLength: 1,
      selector: ([old]) => old,
    })
    .map((pairs) => pairs.filter(([from, to]) => from !== to));
  const piece = fc.oneof(
    fc.constantFrom(...olds),
    fc.constantFrom("\0", "/", "x", "12345", "1234567", "é", "/lib"),
  );
  fc.assert(
    fc.property(pairsOfMap, fc.array(piece, { maxLength: 12 }), (pairs, pieces) => {
      fc.pre(pairs.length > 0);
      const text = pieces.join("");
      const found = moved(text, pairs).text;
      expect(found).toHaveLength(text.length);
      expect(found).toBe(asSpack(text, pairs));
    }),
    { numRuns: runs },
  );
});
