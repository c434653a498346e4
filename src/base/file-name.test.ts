import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { compareFileNames, decodeFileName, encodeFileName } from "./file-name.js";

test("decodeFileName() keeps every byte: encodeFileName() gives them back", () => {
  const byte = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0xc3, 0xa9, 0xed, 0xa0, 0xf0, 0x9f, 0xef, 0xbb, 0xbf),
  );
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 30 }), (bytes) => {
      expect([...encodeFileName(decodeFileName(Uint8Array.from(bytes)))]).toEqual(bytes);
    }),
  );
});

const names = [
  "plain",
  "ümläut",
  "\u{1f600}",
  "\ufeffmark",
  "\ue000",
  "Z",
  "",
  "odd-\udcff",
  "\udcc3",
  "a\udced\udca0\udc80",
  "é",
];

test("names decode and sort as Python's do", () => {
  const program = [
    "import json, sys",
    "names = [bytes.fromhex(line).decode('utf-8', 'surrogateescape') for line in json.load(sys.stdin)]",
    "print(json.dumps([names, sorted(names)]))",
  ].join("\n");
  const input = JSON.stringify(names.map((name) => Buffer.from(encodeFileName(name)).toString("hex")));
  const { stdout } = spawnSync("python3", ["-c", program], { input, encoding: "utf8" });
  expect(JSON.parse(stdout)).toEqual([names, names.toSorted(compareFileNames)]);
});

test("encodeFileName() refuses a surrogate that stands for no byte", () => {
  expect(() => encodeFileName("\ud800")).toThrow(expect.objectContaining({ code: "file.name-invalid" }));
});
