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

// ELF files of this machine and of others, one with an interpreter and an rpath that outgrow their places, and a Mach-O
// file that is to be signed again.
const fixture = (path: string) => readFileSync(new URL(`../../test/fixtures/${path}`, import.meta.url));
const programs = {
  "an ELF file": readFileSync("/bin/true"),
  "an ELF file whose headers grow": fixture("elf/s390x.prog"),
  "a Mach-O file": fixture("mach-o/arm64.libone.dylib"),
};

const growing = ["/old/lib", "/old/prefix/lib"];

test.each(Object.entries(programs))(
  "windows over %s plan what the whole would, wherever they cut",
  (_, program) => {
    const all = prefixMapOf([
      ...map.entries.map(({ from, to }) => [from.toString(), to.toString()] as const),
      ...growing.map((from) => [from, `/longer${from}/${"l".repeat(200)}`] as const),
    ]);
    fc.assert(
      fc.property(content, fc.integer({ min: 64, max: 300 }), (tail, windowSize) => {
        const bytes = Buffer.concat([program, tail]);
        const whole = planBinary(bytes, all, { aliases });
        const pieces = planInWindows(sourceOf(bytes), all, { aliases, windowSize });
        expect(Buffer.compare(applyPatches(bytes, pieces.patches), applyPatches(bytes, whole.patches))).toBe(
          0,
        );
        expect(pieces.problems).toEqual(whole.problems);
        expect(pieces.aliased).toEqual(whole.aliased);
      }),
      { numRuns: soak ? 2000 : 50 },
    );
  },
);

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
