import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { blockSize, encodeTarHeader, paddingOf, type TarEntry } from "../archive/tar-header.js";
import { createTarReader } from "../archive/tar-reader.js";
import { concat, utf8 } from "../base/bytes.js";
import { sourceOf } from "../relocate/byte-source.js";
import { createLayerScanner, decodeScan, encodeScan, type LayerScan, type Scratch } from "./layer-scan.js";

const elf = (name: string): Uint8Array =>
  readFileSync(new URL(`../../test/fixtures/elf/${name}`, import.meta.url));

function memoryScratch(): Scratch {
  let bytes = new Uint8Array();
  return {
    begin: () => {
      bytes = new Uint8Array();
    },
    write: (chunk) => {
      bytes = new Uint8Array(concat([bytes, chunk]));
    },
    get source() {
      return sourceOf(bytes);
    },
  };
}

function scan(entries: readonly (Omit<TarEntry, "size" | "mode"> & { content?: Uint8Array })[]): LayerScan {
  const scanner = createLayerScanner(memoryScratch());
  const reader = createTarReader(scanner, "layer");
  for (const { content = new Uint8Array(), ...entry } of entries) {
    reader.push(encodeTarHeader({ ...entry, mode: 0o755, size: content.length }));
    reader.push(content);
    reader.push(new Uint8Array(paddingOf(content.length)));
  }
  reader.push(new Uint8Array(2 * blockSize));
  reader.end();
  return scanner.result();
}

test("programs and libraries, links, whiteouts and the loader's configuration are what counts", () => {
  const found = scan([
    { type: "file", name: "opt/app/bin/prog", content: elf("s390x.prog") },
    { type: "file", name: "opt/app/bin/script", content: utf8("#!/bin/sh\n") },
    { type: "file", name: "opt/app/test/broken", content: elf("i686.prog").subarray(0, 100) },
    { type: "file", name: "./opt/app/lib/libone.so", content: elf("i686.libone.so") },
    { type: "symlink", name: "opt/app/lib/libone.so.1", linkName: "libone.so" },
    { type: "hardlink", name: "opt/app/lib/other.so", linkName: "opt/app/lib/libone.so" },
    { type: "file", name: "usr/.wh.share" },
    { type: "file", name: "var/.wh..wh..opq" },
    { type: "file", name: "etc/ld.so.conf.d/x.conf", content: utf8("# why\n/opt/lib /opt/lib64\n") },
  ]);
  expect(found.elf.map(({ path, order, needed }) => [path, order, needed.length > 0])).toEqual([
    ["/opt/app/bin/prog", "big", true],
    ["/opt/app/lib/libone.so", "little", false],
  ]);
  expect(found.links).toEqual([
    { path: "/opt/app/lib/libone.so.1", target: "libone.so" },
    { path: "/opt/app/lib/other.so", target: "/opt/app/lib/libone.so" },
  ]);
  expect(found.removed).toEqual(["/usr/share", "/var/"]);
  expect(found.libraryPaths).toEqual(["/opt/lib", "/opt/lib64"]);
  // Kept in a file, it comes back as it was; one of another version does not count.
  const kept: unknown = JSON.parse(Buffer.from(encodeScan(found)).toString());
  expect(decodeScan(kept, "kept")).toEqual(found);
  expect(decodeScan({ ...(kept as object), version: 0 }, "kept")).toBeUndefined();
  expect(() => decodeScan({ ...(kept as object), elf: 1 }, "kept")).toThrow(/kept: elf should be a list/);
});
