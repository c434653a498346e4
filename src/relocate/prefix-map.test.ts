import { expect, test } from "vitest";
import { createPrefixSearch, prefixMapOf } from "./prefix-map.js";

test("identities and repeats are dropped, order is kept", () => {
  const map = prefixMapOf([
    ["/b", "/x"],
    ["/a", "/a"],
    ["/b", "/y"],
    ["/a/c", "/z"],
  ]);
  expect(map.entries.map(({ from, to }) => `${from} ${to}`)).toEqual(["/b /x", "/a/c /z"]);
});

test("a prefix that is not an absolute path is refused by name", () => {
  for (const wrong of ["", "/", "rel", "/a/", "/a\0"])
    expect(() => prefixMapOf([[wrong, "/x"]])).toThrow(
      expect.objectContaining({ code: "relocate.prefix-invalid" }),
    );
});

test("one search finds prefixes of several roots, leftmost first", () => {
  const map = prefixMapOf([
    ["/opt/store/linux/a-1", "/1"],
    ["/other/root/b-2", "/2"],
    ["/opt/store", "/3"],
    ["/o", "/4"],
  ]);
  const bytes = Buffer.from("x /other/root/b-2 /opt/store/q /opt/store/linux/a-1 /o");
  const find = createPrefixSearch(bytes, map);
  const found: string[] = [];
  for (let match = find(0); match !== undefined; match = find(match.at + match.entry.from.length))
    found.push(`${match.at} ${match.entry.from}`);
  expect(found).toEqual(["2 /other/root/b-2", "18 /opt/store", "31 /opt/store/linux/a-1", "52 /o"]);
});
