import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { planBinary } from "../relocate/binary.js";
import { sourceOf } from "../relocate/byte-source.js";
import { applyPatches } from "../relocate/patch.js";
import { prefixMapOf } from "../relocate/prefix-map.js";
import { relocateText } from "../relocate/text.js";
import { linesIn, planInWindows } from "./large-file.js";

const map = prefixMapOf([
  ["/old/store/a-hash", "/new/a"],
  ["/old/store/bb-hash", "/new/a-longer-place-than-before/b"],
  ["/old/store", "/new"],
]);
const aliases = new Map([["/old/store/bb-hash", "/n/.a/bb-hash"]]);
const soak = process.env["STOWAGE_SOAK"] !== undefined;

const words = fc.constantFrom(
  "/old/store/a-hash",
  "/old/store/bb-hash",
  "/old/store",
  "/lib",
  "\0",
  "x",
  "\n",
  ":/",
  "-I",
);
const content = fc.array(words, { maxLength: 60 }).map((parts) => Buffer.from(parts.join("")));

test("windows over a binary plan what the whole would, wherever they cut", () => {
  // An ELF file of this machine, with strings appended where no header looks.
  const program = readFileSync("/bin/true");
  fc.assert(
    fc.property(content, fc.integer({ min: 64, max: 300 }), (tail, windowSize) => {
      const bytes = Buffer.concat([program, tail]);
      const whole = planBinary(bytes, map, { aliases });
      const pieces = planInWindows(sourceOf(bytes), map, { aliases, windowSize });
      if (pieces === undefined) throw new Error("it is an ELF file whose headers need no room");
      expect(Buffer.compare(applyPatches(bytes, pieces.patches), applyPatches(bytes, whole.patches))).toBe(0);
      expect(pieces.problems).toEqual(whole.problems);
      expect(pieces.aliased).toEqual(whole.aliased);
    }),
    { numRuns: soak ? 2000 : 100 },
  );
});

test("pieces of a text that end with lines relocate to what the whole does", () => {
  fc.assert(
    fc.property(content, fc.integer({ min: 1, max: 80 }), (bytes, size) => {
      const pieces = [...linesIn(sourceOf(bytes), size)];
      expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
      const moved = Buffer.concat(pieces.map((piece) => relocateText(piece, map) ?? piece));
      expect(moved.equals(Buffer.from(relocateText(bytes, map) ?? bytes))).toBe(true);
    }),
    { numRuns: soak ? 20_000 : 500 },
  );
});
