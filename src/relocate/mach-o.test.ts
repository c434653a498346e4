import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { planBinary, relocateBinary } from "./binary.js";
import { sourceOf } from "./byte-source.js";
import { verifyPages } from "./code-signature.js";
import { type Field, fieldBytes, type Shape } from "./fields.js";
import { parseMachO, pathCommands } from "./mach-o.js";
import { prefixMapOf } from "./prefix-map.js";

const library = readFileSync(join(import.meta.dirname, "../../test/fixtures/mach-o/arm64.libone.dylib"));
const moveTo = (bytes: Uint8Array, to: string, aliases?: Map<string, string>) =>
  relocateBinary(bytes, prefixMapOf([["/old/prefix", to]]), { aliases });
const verified = (bytes: Uint8Array | undefined) =>
  parseMachO(sourceOf(bytes ?? new Uint8Array())).map((file) =>
    verifyPages(file, sourceOf(bytes ?? new Uint8Array())),
  );

/** The paths of all load commands, slice by slice. */
const pathsOf = (bytes: Uint8Array | undefined): string[][] =>
  parseMachO(sourceOf(bytes ?? new Uint8Array())).map((file) =>
    file.commands
      .filter(({ type }) => pathCommands.has(type))
      .map((command) => {
        const at = new DataView(command.bytes.buffer, command.bytes.byteOffset).getUint32(8, file.little);
        return Buffer.from(command.bytes.subarray(at)).toString("latin1").replace(/\0.*$/s, "");
      }),
  );

function objdump(bytes: Uint8Array): string | undefined {
  const scratch = mkdtempSync(join(tmpdir(), "stowage-mach-o-"));
  try {
    writeFileSync(join(scratch, "file"), bytes);
    const { stdout, stderr, error } = spawnSync(
      "llvm-objdump",
      ["--macho", "--private-headers", join(scratch, "file")],
      {
        encoding: "utf8",
      },
    );
    return error === undefined ? stdout + stderr : undefined;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

test("the pages of a library that its linker signed are as its signature says, until one changes", () => {
  expect(verified(library)).toEqual([true]);
  const changed = Buffer.from(library);
  changed[5000] = 1;
  expect(verified(changed)).toEqual([false]);
});

test("paths and C strings are relocated, and the file signed again", () => {
  const { bytes, problems } = moveTo(library, "/new/prefix");
  expect(problems).toEqual([]);
  expect(bytes).toHaveLength(library.length);
  expect(pathsOf(bytes)).toEqual([["/new/prefix/lib", "/new/prefix/lib/libone.dylib"]]);
  expect(Buffer.from(bytes ?? "").includes("/new/prefix/share/one\0")).toBe(true);
  expect(Buffer.from(bytes ?? "").includes("/old/prefix")).toBe(false);
  expect(verified(bytes)).toEqual([true]);
});

test("longer paths take what room the linker left behind the header", () => {
  const longer = "/a/much/longer/prefix/than/the/one/before";
  const { bytes, problems } = moveTo(library, longer, new Map([["/old/prefix", "/a/x"]]));
  expect(problems).toEqual([]);
  expect(pathsOf(bytes)).toEqual([[`${longer}/lib`, `${longer}/lib/libone.dylib`]]);
  expect(verified(bytes)).toEqual([true]);
  const seen = objdump(bytes ?? library);
  if (seen === undefined) return;
  expect(seen).toContain(`${longer}/lib/libone.dylib (offset 24)`);
  expect(seen).not.toMatch(/error|warning|malformed|truncated/i);
});

test("paths for which there is no room are problems, and stay", () => {
  const { bytes, problems } = moveTo(library, `/${"x".repeat(2000)}`);
  expect(bytes).toBeUndefined();
  expect(problems.map(({ kind, text }) => `${kind} ${text}`)).toEqual(
    expect.arrayContaining(["cannot-grow /old/prefix/lib", "cannot-grow /old/prefix/lib/libone.dylib"]),
  );
});

/** A Mach-O file that has load commands for paths, and a section `room` bytes behind them. */
function writeMachO(shape: Shape, paths: readonly string[], room: number): Buffer {
  const align = shape.wide ? 8 : 4;
  const commands = paths.map((path) => {
    const size = Math.ceil((12 + path.length + 1) / align) * align;
    const fields: Field[] = [
      ["u32", 0x8000001c],
      ["u32", size],
      ["u32", 12],
    ];
    return Buffer.concat([
      fieldBytes(fields, shape),
      Buffer.from(path),
      Buffer.alloc(size - 12 - path.length),
    ]);
  });
  const segmentSize = shape.wide ? 72 + 80 : 56 + 68;
  const length = commands.reduce((sum, { length }) => sum + length, segmentSize);
  const headerSize = shape.wide ? 32 : 28;
  const sectionAt = headerSize + length + room;
  const name = (text: string): Field[] =>
    [...Buffer.from(text.padEnd(16, "\0")).entries()]
      .filter(([i]) => i % 4 === 0)
      .map(([i]): Field => {
        const four = Buffer.from(text.padEnd(16, "\0")).subarray(i, i + 4);
        return ["u32", shape.little ? four.readUInt32LE() : four.readUInt32BE()];
      });
  const words = (...values: number[]): Field[] => values.map((value) => ["word", value]);
  const longs = (...values: number[]): Field[] => values.map((value) => ["u32", value]);
  const segment = [
    ...longs(shape.wide ? 0x19 : 0x1, segmentSize),
    ...name("__TEXT"),
    ...words(0, 4096, 0, 4096),
    ...longs(5, 5, 1, 0),
    ...name("__text"),
    ...name("__TEXT"),
    ...words(0, 16),
    ...longs(sectionAt, 0, 0, 0, 0, 0, 0),
    ...(shape.wide ? longs(0) : []),
  ];
  const header = longs(shape.wide ? 0xfeedfacf : 0xfeedface, 7, 3, 6, paths.length + 1, length, 0);
  return Buffer.concat([
    fieldBytes([...header, ...(shape.wide ? longs(0) : []), ...segment], shape),
    ...commands,
    Buffer.alloc(room),
    Buffer.from("0123456789abcdef"),
  ]);
}

const kinds = [false, true].flatMap((wide) => [false, true].map((little): Shape => ({ wide, little })));

test.each(kinds)("load commands of class and byte order %j are read and moved", (shape) => {
  const file = writeMachO(shape, ["/old/prefix/lib", "@loader_path/x", "/old/prefix/b"], 64);
  expect(pathsOf(file)).toEqual([["/old/prefix/lib", "@loader_path/x", "/old/prefix/b"]]);
  expect(pathsOf(moveTo(file, "/s").bytes)).toEqual([["/s/lib", "@loader_path/x", "/s/b"]]);
  const longer = moveTo(file, "/much/longer/prefix");
  expect(longer.problems).toEqual([]);
  expect(longer.bytes).toHaveLength(file.length);
  expect(pathsOf(longer.bytes)).toEqual([
    ["/much/longer/prefix/lib", "@loader_path/x", "/much/longer/prefix/b"],
  ]);
  expect(
    Buffer.from(longer.bytes ?? "")
      .subarray(-16)
      .toString(),
  ).toBe("0123456789abcdef");
});

/** A fat file: its header is big-endian, its slices what they are. */
function writeFat(slices: readonly Buffer[]): Buffer {
  const start = 8 + slices.length * 20;
  const at = (index: number) => slices.slice(0, index).reduce((sum, { length }) => sum + length, start);
  const fields = [0xcafebabe, slices.length, ...slices.flatMap((slice, i) => [7, 3, at(i), slice.length, 0])];
  const header = fieldBytes(
    fields.map((value): Field => ["u32", value]),
    { wide: false, little: false },
  );
  return Buffer.concat([header, ...slices]);
}

test("each slice of a fat file is relocated and signed, a Java class is none", () => {
  const slices = [library, writeMachO({ wide: false, little: true }, ["/old/prefix/lib"], 0)];
  const { bytes, problems } = moveTo(writeFat(slices), "/new/prefix");
  expect(problems).toEqual([]);
  expect(pathsOf(bytes)).toEqual([["/new/prefix/lib", "/new/prefix/lib/libone.dylib"], ["/new/prefix/lib"]]);
  expect(verified(bytes)).toEqual([true, undefined]);
  expect(parseMachO(sourceOf(Buffer.from("cafebabe00000034001d0a00", "hex")))).toEqual([]);
});

test("whatever bytes of a file are changed, relocation ends with a result", () => {
  const files = [
    library,
    writeFat([library, library]),
    ...kinds.map((shape) => writeMachO(shape, ["/old/prefix/lib", "/x"], 16)),
  ];
  const maps = ["/n", "/new/prefix", "/much/longer/prefix"].map((to) => prefixMapOf([["/old/prefix", to]]));
  fc.assert(
    fc.property(
      fc.constantFrom(...files),
      fc.constantFrom(...maps),
      fc.array(fc.tuple(fc.nat(1024), fc.oneof(fc.nat(255), fc.constantFrom(0, 0x80, 0xff))), {
        maxLength: 8,
      }),
      fc.option(fc.nat(1024)),
      (file, map, changes, cut) => {
        const bytes = Buffer.from(file.subarray(0, cut ?? undefined));
        for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
        for (const { offset, bytes: written } of planBinary(bytes, map).patches)
          expect(offset + written.length).toBeLessThanOrEqual(bytes.length);
      },
    ),
    { numRuns: process.env["STOWAGE_SOAK"] ? 50_000 : 1_000 },
  );
});
