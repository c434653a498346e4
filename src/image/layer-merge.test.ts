import { expect, test } from "vitest";
import { blockSize, encodeTarHeader, paddingOf, recordSize, type TarEntry } from "../archive/tar-header.js";
import { createTarReader } from "../archive/tar-reader.js";
import { bytesOf, concat, utf8 } from "../base/bytes.js";
import { mergeArchives } from "./layer-merge.js";

type Entry = Omit<TarEntry, "size"> & { readonly text?: string };

function tar(entries: readonly Entry[]): Uint8Array {
  const parts = entries.flatMap(({ text = "", ...entry }) => {
    const bytes = utf8(text);
    return [
      encodeTarHeader({ ...entry, size: bytes.length }),
      bytes,
      new Uint8Array(paddingOf(bytes.length)),
    ];
  });
  return concat([...parts, new Uint8Array(2 * blockSize)]);
}

function entriesOf(archive: Uint8Array): string[] {
  const seen: string[] = [];
  const reader = createTarReader(
    {
      entry: ({ type, name, linkName }) => seen.push(`${type} ${name}${linkName && ` -> ${linkName}`}`),
      data: (chunk) => seen.push(Buffer.from(chunk).toString()),
    },
    "merged",
  );
  reader.push(archive);
  reader.end();
  return seen;
}

async function merge(...archives: readonly Uint8Array[]): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of mergeArchives(
    archives.map((one, i) => ({ subject: `layer ${i}`, content: bytesOf(one) })),
  ))
    chunks.push(chunk.slice());
  return concat(chunks);
}

const directory = { type: "directory", name: "opt/", mode: 0o755 } as const;
const long = `opt/${"x".repeat(120)}`;

test("entries of all archives stand in one, directories once, with one end", async () => {
  const merged = await merge(
    tar([directory, { type: "file", name: "opt/a", mode: 0o755, text: "one" }]),
    tar([
      directory,
      { type: "file", name: long, mode: 0o644, text: "two" },
      { type: "hardlink", name: "opt/b", mode: 0o644, linkName: long },
      { type: "symlink", name: "opt/c", mode: 0o755, linkName: "a" },
      { type: "file", name: "opt/empty", mode: 0o644 },
    ]),
  );
  expect(entriesOf(merged)).toEqual([
    "directory opt/",
    "file opt/a",
    "one",
    `file ${long}`,
    "two",
    `hardlink opt/b -> ${long}`,
    "symlink opt/c -> a",
    "file opt/empty",
  ]);
  expect(merged.byteLength % recordSize).toBe(0);
});

test("one package's archive comes out as it went in", async () => {
  const archive = tar([directory, { type: "file", name: "opt/a", mode: 0o644, text: "a".repeat(600) }]);
  expect((await merge(archive)).subarray(0, archive.length)).toEqual(archive);
});

test("a cut archive and a device are refused by name", async () => {
  const archive = tar([directory]);
  await expect(merge(archive, archive.subarray(0, 512))).rejects.toMatchObject({
    code: "archive.truncated",
    subject: "layer 1",
  });
  const device = encodeTarHeader({ type: "file", name: "null", mode: 0o644 });
  device[156] = 0x33;
  device.set(Buffer.from("        "), 148);
  const sum = device.reduce((total, byte) => total + byte, 0);
  device.set(Buffer.from(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  await expect(merge(concat([device, new Uint8Array(1024)]))).rejects.toMatchObject({
    code: "image.layer-foreign",
  });
});
