import { expect, test } from "vitest";
import { parseAge, parseKeepList } from "./keep-list.js";

const hash = "a".repeat(32);

test("a list holds hashes, with slashes or comments", () => {
  expect(parseKeepList(`/${hash}\r\n\n# more\n${"b".repeat(32)} # python\n`, "keep")).toEqual([
    hash,
    "b".repeat(32),
  ]);
});

test.each([["zlib"], [`${hash}a`], [hash.slice(1)], [""], ["# none"]])("%s is refused", (text) => {
  expect(() => parseKeepList(text, "keep")).toThrow(
    expect.objectContaining({ code: "buildcache.keeplist-invalid" }),
  );
});

test("ages", () => {
  expect([parseAge("12h"), parseAge("30d"), parseAge("2w")]).toEqual([
    43_200_000, 2_592_000_000, 1_209_600_000,
  ]);
  for (const text of ["", "3", "d", "-1d", "1.5d", "30 days"])
    expect(() => parseAge(text)).toThrow(expect.objectContaining({ code: "buildcache.age-invalid" }));
});
