import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { gunzip } from "./gunzip.js";
import { gunzipHere } from "./gunzip-here.js";
import { hasZstd, zstd } from "./zstd.js";

const noProgram = spawnSync("zstd", ["--version"]).error !== undefined;
/** By the program: its bytes are there on a Node without zstd, too. */
const byProgram = (content: Uint8Array, ...options: readonly string[]): Buffer =>
  spawnSync("zstd", ["-c", ...options], { input: content, maxBuffer: 1 << 28 }).stdout;

const content = Buffer.concat([
  randomBytes(700_000),
  Buffer.from("the quick brown fox\n".repeat(100_000)),
  Buffer.alloc(2_000_000),
]);

async function compressed(source: Iterable<Uint8Array>, level = 3) {
  const chunks: Uint8Array[] = [];
  const summary = await zstd(source, (bytes) => void chunks.push(Buffer.from(bytes)), { level });
  return { bytes: Buffer.concat(chunks), summary };
}

const readers = [
  ["gunzip", gunzip],
  ["gunzipHere", gunzipHere],
] as const;

async function read(reader: (typeof readers)[number][1], chunks: Iterable<Uint8Array>, allowance?: number) {
  const back: Buffer[] = [];
  await reader(chunks, (piece) => void back.push(Buffer.from(piece)), { subject: "layer", allowance });
  return Buffer.concat(back);
}

function* cut(bytes: Buffer, size: number): Generator<Uint8Array> {
  const reused = Buffer.alloc(size);
  for (let at = 0; at < bytes.byteLength; at += size) yield reused.subarray(0, bytes.copy(reused, 0, at));
}

describe.skipIf(!hasZstd)("zstd (skipped where Node has none: before 22.15)", () => {
  test.skipIf(noProgram)(
    "zstd() writes what zstd reads, with a checksum in a window of 8 MiB at most",
    async () => {
      for (const level of [1, 3, 19]) {
        const { bytes, summary } = await compressed([content], level);
        const back = spawnSync("zstd", ["-dc", "--memory=8MB"], { input: bytes, maxBuffer: 1 << 28 });
        expect(content.equals(back.stdout)).toBe(true);
        // RFC 8878, 3.1.1.1.1: Content_Checksum_flag.
        expect((bytes[4] ?? 0) & 4).toBe(4);
        const sha256 = (data: Uint8Array) => `sha256:${createHash("sha256").update(data).digest("hex")}`;
        expect(summary).toEqual({
          digest: sha256(bytes),
          size: bytes.byteLength,
          diffId: sha256(content),
          contentSize: content.byteLength,
        });
      }
    },
  );

  test("zstd() gives the same bytes however the content is cut, and needs no chunk kept", async () => {
    const whole = await compressed([content]);
    for (const size of [10_007, 131_072, 600_000])
      expect((await compressed(cut(content, size))).summary).toEqual(whole.summary);
  });

  test("zstd() fails with the error of its source, and with that of its writer", async () => {
    const broken = function* () {
      yield content;
      throw new Error("file changed");
    };
    await expect(zstd(broken(), () => undefined, { level: 3 })).rejects.toThrow("file changed");
    const full = () => Promise.reject(new Error("disk full"));
    await expect(zstd([content, content], full, { level: 3 })).rejects.toThrow("disk full");
  });

  describe.each(readers)("%s()", (_, reader) => {
    test("gives what zstd wrote, in frames and what is to be skipped between, in chunks of any size", async () => {
      const skipped = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
      const { bytes } = await compressed([content]);
      const frames = Buffer.concat([bytes, skipped, (await compressed([Buffer.from("end")])).bytes, skipped]);
      for (const size of [3, 4096, frames.byteLength])
        expect(
          (await read(reader, cut(frames, size))).equals(Buffer.concat([content, Buffer.from("end")])),
        ).toBe(true);
    });

    test.each([
      ["cut short", (bytes: Buffer) => bytes.subarray(0, -9)],
      ["damaged", (bytes: Buffer) => bytes.fill(7, 3000, 3100)],
      ["followed by more", (bytes: Buffer) => Buffer.concat([bytes, Buffer.from("more bytes")])],
      ["of a window of 2 GiB", () => Buffer.from("28b52ffd04a80100000000000000000000", "hex")],
    ])("refuses what is %s", async (_what, damage) => {
      const { bytes } = await compressed([content]);
      const reading = read(reader, [damage(bytes)]);
      await expect(reading).rejects.toMatchObject({ code: "archive.zstd-invalid", subject: "layer" });
    });

    test("refuses a bomb", async () => {
      const { bytes } = await compressed([Buffer.alloc(3_000_000)]);
      await expect(read(reader, [bytes], 1_000_000)).rejects.toMatchObject({ code: "archive.bomb" });
    });
  });
});

describe.skipIf(hasZstd || noProgram)("without zstd in Node", () => {
  test.each(readers)("%s() names what is missing", async (_, reader) => {
    await expect(read(reader, [byProgram(content)])).rejects.toMatchObject({
      code: "archive.zstd-missing",
      kind: "unsupported",
      message: "layer is compressed with zstd, which this Node does not have",
    });
  });
});
