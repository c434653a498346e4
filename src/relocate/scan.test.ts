import fc from "fast-check";
import { expect, test } from "vitest";
import { prefixMapOf } from "./prefix-map.js";
import { createLeftoverScan, leftoversIn } from "./scan.js";

const map = prefixMapOf([
  ["/opt/store/linux/p-1", "/opt/store/new/linux/p-1"],
  ["/opt/store", "/opt/store/new"],
]);

test("an old prefix that is left is found, one inside a new prefix is not", () => {
  const left = "x /opt/store/new/linux/p-1 /opt/store/linux/p-1/a /opt/store2 /opt/store";
  expect(leftoversIn(Buffer.from(left), map)).toEqual([
    { offset: 27, prefix: "/opt/store/linux/p-1" },
    { offset: 62, prefix: "/opt/store" },
  ]);
  expect(leftoversIn(Buffer.from("/opt/store/.a/xyz"), map, { allowed: ["/opt/store/.a/xyz"] })).toEqual([]);
});

test("what is found does not depend on how the file is cut into chunks", () => {
  const piece = fc.constantFrom("/opt/store", "/opt/store/new", "/linux/p-1", "\0", "x", "/", "-2");
  const cuts = fc.array(fc.nat({ max: 200 }));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), cuts, (pieces, at) => {
      const bytes = Buffer.from(pieces.join(""));
      const scan = createLeftoverScan(map);
      const ends = [...at.filter((end) => end < bytes.length), bytes.length].sort((a, b) => a - b);
      ends.forEach((end, i) => {
        scan.push(bytes.subarray(ends[i - 1] ?? 0, end));
      });
      expect(scan.end()).toEqual(leftoversIn(bytes, map));
    }),
    { numRuns: process.env["STOWAGE_SOAK"] ? 20_000 : 500 },
  );
});
