import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Failure } from "../base/failure.js";
import { planBinary, relocateBinary } from "./binary.js";
import { sourceOf } from "./byte-source.js";
import { readElfNeeds } from "./elf-needs.js";
import { applyPatches } from "./patch.js";
import { prefixMapOf } from "./prefix-map.js";
import { planRpathCleanup } from "./rpath-cleanup.js";

const soak = process.env["STOWAGE_SOAK"] !== undefined;
const fixture = (name: string) => readFileSync(join(import.meta.dirname, "../../test/fixtures/elf", name));
const kinds: [string, 32 | 64, "little" | "big", number][] = [
  ["i686", 32, "little", 3],
  ["powerpc", 32, "big", 20],
  ["s390x", 64, "big", 22],
];
const needsOf = (bytes: Uint8Array) => readElfNeeds(sourceOf(bytes));
const longer = prefixMapOf([["/old", "/a/much/longer/prefix"]]);

function readelf(bytes: Uint8Array): string {
  const scratch = mkdtempSync(join(tmpdir(), "stowage-elf-"));
  try {
    writeFileSync(join(scratch, "file"), bytes);
    const { stdout, stderr, error } = spawnSync("readelf", ["-aW", join(scratch, "file")], {
      encoding: "utf8",
    });
    return error === undefined ? stdout + stderr : "";
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

test.each(kinds)("what a file for %s needs is read", (name, bits, order, machine) => {
  expect(needsOf(fixture(`${name}.prog`))).toEqual({
    bits,
    order,
    machine,
    type: 3,
    interpreter: "/old/lib/ld.so",
    soname: undefined,
    needed: ["libone.so"],
    rpath: [],
    runpath: ["/old/lib"],
    versionsNeeded: new Map(),
    versionsDefined: [],
  });
  expect(needsOf(fixture(`${name}.libone.so`))).toMatchObject({
    soname: "libone.so",
    interpreter: undefined,
  });
});

test.each(kinds)("paths grow in a file for %s, again and again", (name) => {
  for (const file of [`${name}.prog`, `${name}.libone.so`]) {
    const before = fixture(file);
    let bytes: Uint8Array = before;
    let prefix = "/old";
    for (const next of [
      "/a/longer/prefix",
      "/an/even/much/longer/prefix",
      "/short",
      "/again/a/much/longer/prefix/x",
    ]) {
      const moved = relocateBinary(bytes, prefixMapOf([[prefix, next]]));
      expect(moved.problems).toEqual([]);
      bytes = moved.bytes ?? bytes;
      prefix = next;
      expect(needsOf(bytes)).toEqual({
        ...needsOf(before),
        interpreter: file.endsWith("prog") ? `${next}/lib/ld.so` : undefined,
        runpath: [`${next}/lib`],
      });
      expect(readelf(bytes)).not.toMatch(/warning|error|corrupt/i);
    }
  }
});

test("shorter paths are written in place, filled with NUL", () => {
  const before = fixture("powerpc.prog");
  const { bytes, problems } = relocateBinary(before, prefixMapOf([["/old", "/n"]]));
  expect(problems).toEqual([]);
  expect(bytes).toHaveLength(before.length);
  expect(Buffer.from(bytes ?? "").includes("\0/n/lib\0\0\0")).toBe(true);
  expect(needsOf(bytes ?? before)).toMatchObject({ runpath: ["/n/lib"], interpreter: "/n/lib/ld.so" });
});

test("rpath entries that lead nowhere are dropped, those with $ and existing ones stay", () => {
  const rpath = "$ORIGIN/x:/old/lib:relative:/gone/lib";
  const grown = relocateBinary(fixture("i686.prog"), prefixMapOf([["/old/lib", `/new:${rpath}`]])).bytes;
  expect(needsOf(grown ?? new Uint8Array())?.runpath).toEqual(["/new", ...rpath.split(":")]);
  const patches = planRpathCleanup(sourceOf(grown ?? new Uint8Array()), (path) => path === "/old/lib");
  const cleaned = applyPatches(grown ?? new Uint8Array(), patches);
  expect(needsOf(cleaned)?.runpath).toEqual(["$ORIGIN/x", "/old/lib"]);
  expect(planRpathCleanup(sourceOf(cleaned), (path) => path === "/old/lib")).toEqual([]);
  expect(planRpathCleanup(sourceOf(Buffer.from("no ELF")), () => false)).toEqual([]);
});

test("a file of another type than program or shared object has only its C strings relocated", () => {
  const object = fixture("s390x.libone.so");
  object[17] = 1; // ET_REL, big-endian
  const { bytes, problems } = relocateBinary(object, prefixMapOf([["/old/lib/longer", "/n"]]));
  expect([bytes, problems]).toEqual([undefined, []]);
  expect(relocateBinary(object, longer).problems).toMatchObject([{ kind: "cannot-grow", text: "/old/lib" }]);
});

test("a damaged file is reported, and its C strings relocated", () => {
  const damaged = fixture("i686.prog");
  damaged.fill(0xff, 28, 32); // e_phoff
  const { bytes, problems } = relocateBinary(damaged, prefixMapOf([["/old", "/new"]]));
  expect(problems[0]?.kind).toBe("malformed");
  expect(Buffer.from(bytes ?? "").includes("/new/lib/ld.so")).toBe(true);
});

test("whatever bytes of a file are changed, relocation ends with a result, soon", () => {
  const files = kinds.flatMap(([name]) => [fixture(`${name}.prog`), fixture(`${name}.libone.so`)]);
  const maps = [longer, prefixMapOf([["/old", "/n"]])];
  const value = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff));
  fc.assert(
    fc.property(
      fc.constantFrom(...files),
      fc.constantFrom(...maps),
      fc.array(fc.tuple(fc.nat(2048), value), { minLength: 1, maxLength: 12 }),
      fc.option(fc.nat(2048)),
      (file, map, changes, cut) => {
        const bytes = Buffer.from(file.subarray(0, cut ?? undefined));
        for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
        const { patches } = planBinary(bytes, map);
        const end = Math.max(0, ...patches.map((patch) => patch.offset + patch.bytes.length));
        // A new segment holds no more than a copy of the file, and what the table of program headers displaces.
        expect(end).toBeLessThan(bytes.length * 3 + 4096);
        expect(patches.every(({ offset }) => offset >= 0)).toBe(true);
        try {
          needsOf(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(Failure);
        }
        planRpathCleanup(sourceOf(bytes), () => false);
      },
    ),
    { numRuns: soak ? 200_000 : 3_000 },
  );
}, 600_000);
