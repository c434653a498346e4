import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { gunzipHere } from "./gunzip-here.js";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { gunzip } from "./gunzip.js";
import { openInflater } from "./inflater.js";
import { gzip } from "./gzip.js";

async function compressed(content: Iterable<Uint8Array>, level?: number) {
  const chunks: Uint8Array[] = [];
  const summary = await gzip(content, (chunk) => void chunks.push(chunk), { level });
  return { bytes: Buffer.concat(chunks), summary };
}

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Text, noise and zeros, so that blocks of all kinds come out. */
function sample(size: number): Buffer {
  const words = Buffer.from("the quick brown fox jumps over the lazy dog; ");
  const all = Buffer.alloc(size);
  for (let at = 0; at < size; at += 4096)
    all.set(
      at % 3 === 0 ? randomBytes(Math.min(4096, size - at)) : words.subarray(0, Math.min(45, size - at)),
      at,
    );
  return all;
}

test.each([0, 1, 512 * 1024 - 1, 512 * 1024, 512 * 1024 + 1, 5_000_000])(
  "gzip() of %d bytes is what gzip, node and gunzip() read back",
  async (size) => {
    const content = sample(size);
    const { bytes, summary } = await compressed([content]);
    expect(gunzipSync(bytes).equals(content)).toBe(true);
    expect(spawnSync("gzip", ["-t"], { input: bytes }).status).toBe(0);
    expect(summary).toEqual({
      digest: sha256(bytes),
      size: bytes.byteLength,
      diffId: sha256(content),
      contentSize: size,
    });
    const read: Uint8Array[] = [];
    const back = await gunzip([bytes], (chunk) => void read.push(Buffer.from(chunk)), { subject: "it" });
    expect(back).toEqual(summary);
    expect(Buffer.concat(read).equals(content)).toBe(true);
  },
);

test("gzip() gives the same bytes however the content is cut, and needs no chunk kept", async () => {
  const content = sample(2_000_000);
  const reused = Buffer.alloc(10_007);
  function* pieces() {
    for (let at = 0; at < content.byteLength; at += reused.byteLength) {
      const count = content.copy(reused, 0, at);
      yield reused.subarray(0, count);
    }
  }
  expect((await compressed(pieces())).bytes.equals((await compressed([content])).bytes)).toBe(true);
});

test("gzip() writes these bytes, on every platform and version", async () => {
  const { bytes } = await compressed([Buffer.from("stowage\n".repeat(100_000))]);
  expect(bytes.subarray(0, 10).toString("hex")).toBe("1f8b08000000000000ff");
  expect(sha256(bytes)).toBe("sha256:d4eb9bcd855f3593025fa8b45b5649b980281101f997f1139f13d7c4c1ed8326");
});

test("gzip() compresses as well as one deflate stream of the same level does", async () => {
  const content = Buffer.from(
    Array.from({ length: 300_000 }, (_, i) => `${i * 7919} lines of text\n`).join(""),
  );
  const { bytes } = await compressed([content], 6);
  expect(bytes.byteLength).toBeLessThan(gzipSync(content, { level: 6 }).byteLength * 1.005);
});

test("gzip() waits for a slow writer, and fails with its error", async () => {
  let writing = 0;
  const write = async () => {
    expect(++writing).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    writing -= 1;
  };
  await gzip([sample(3_000_000)], write);
  const failing = gzip([sample(3_000_000)], () => Promise.reject(new Error("disk full")));
  await expect(failing).rejects.toThrow("disk full");
});

describe.each([
  ["gunzip", gunzip],
  ["gunzipHere", gunzipHere],
])("%s()", (_name, gunzip) => {
  test.each([
    ["cut short", (bytes: Buffer) => bytes.subarray(0, -9)],
    [
      "damaged",
      (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 2000), Buffer.alloc(100), bytes.subarray(2100)]),
    ],
    ["no gzip", () => Buffer.from("not gzip at all")],
  ])("refuses what is %s", async (_, damage) => {
    const { bytes } = await compressed([sample(100_000)]);
    const reading = gunzip([damage(bytes)], () => undefined, { subject: "layer" });
    await expect(reading).rejects.toMatchObject({ code: "archive.gzip-invalid", subject: "layer" });
  });

  test("refuses a bomb, past what any content may have", async () => {
    const { bytes } = await compressed([Buffer.alloc(3_000_000)]);
    const options = { subject: "layer", allowance: 1_000_000 };
    await expect(gunzip([bytes], () => undefined, options)).rejects.toMatchObject({ code: "archive.bomb" });
    const honest = await compressed([sample(3_000_000)]);
    await expect(gunzip([honest.bytes], () => undefined, options)).resolves.toMatchObject({
      size: honest.summary.size,
      contentSize: 3_000_000,
    });
  });

  test("fails with the error of its source, and with that of its sink", async () => {
    const { bytes } = await compressed([sample(3_000_000)]);
    async function* broken() {
      yield bytes.subarray(0, 100_000);
      throw new Error("connection reset");
    }
    await expect(gunzip(broken(), () => undefined, { subject: "it" })).rejects.toThrow("connection reset");
    const full = () => {
      throw new Error("disk full");
    };
    await expect(gunzip([bytes], full, { subject: "it" })).rejects.toThrow("disk full");
  });

  test("gives what gzip wrote, in several members, from chunks of any size", async () => {
    const content = sample(1_500_000);
    const bytes = Buffer.concat([gzipSync(content), gzipSync("end")]);
    const chunks = [bytes.subarray(0, 1), bytes.subarray(1, 777), bytes.subarray(777)];
    const back: Buffer[] = [];
    await gunzip(chunks, (piece) => void back.push(Buffer.from(piece)), { subject: "it" });
    expect(Buffer.concat(back).equals(Buffer.concat([content, Buffer.from("end")]))).toBe(true);
  });
});

test("this Node inflates without a stream", () => {
  const inflater = openInflater("gzip", "it");
  expect(inflater).toBeDefined();
  inflater?.close();
});
