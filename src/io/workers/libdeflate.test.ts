import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { gunzipHere } from "../../archive/gunzip-here.js";
import { gzip } from "../../archive/gzip.js";
import { loadLibdeflate } from "./libdeflate.js";

const found = (() => {
  try {
    return loadLibdeflate();
  } catch {
    return undefined;
  }
})();

const content = Buffer.concat(
  Array.from({ length: 60_000 }, (_, i) => Buffer.from(`${i} the quick brown fox jumps over ${i * i}\n`)),
);

async function compressed(bytes: Uint8Array) {
  const chunks: Uint8Array[] = [];
  await using other = found?.compressor(6);
  const summary = await gzip([bytes], (chunk) => void chunks.push(chunk), {
    compressMember: other?.compress,
  });
  return { bytes: Buffer.concat(chunks), summary };
}

test.skipIf(found === undefined)(
  "what libdeflate compresses is one gzip file of members, for all readers",
  async () => {
    const { bytes, summary } = await compressed(content);
    expect(summary.diffId).toBe(`sha256:${createHash("sha256").update(content).digest("hex")}`);
    expect(gunzipSync(bytes).equals(content)).toBe(true);
    const python = "import gzip,sys; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))";
    for (const [program, ...args] of [
      ["gzip", "-dc"],
      ["python3", "-c", python],
    ] as const) {
      const read = spawnSync(program, args, { input: bytes, maxBuffer: 2 * content.byteLength });
      if (read.error === undefined) expect(read.stdout.equals(content)).toBe(true);
    }
    // In pieces that end anywhere, a member's last byte included.
    for (const size of [1000, 65_536, bytes.indexOf(Buffer.from([0x1f, 0x8b, 8]), 1)]) {
      const pieces = Array.from({ length: Math.ceil(bytes.byteLength / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      );
      const out: Buffer[] = [];
      await gunzipHere(pieces, (piece) => void out.push(Buffer.from(piece)), { subject: "members" });
      expect(Buffer.concat(out).equals(content)).toBe(true);
    }
  },
);

test.skipIf(found === undefined)("the same content gives the same bytes, an empty one too", async () => {
  expect((await compressed(content)).bytes.equals((await compressed(content)).bytes)).toBe(true);
  expect(gunzipSync((await compressed(new Uint8Array())).bytes).byteLength).toBe(0);
});
