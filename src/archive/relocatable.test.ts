import { expect, test } from "vitest";
import { createRelocatableScanner } from "./relocatable.js";

const scanner = createRelocatableScanner([
  "/opt/store/p-1",
  "/opt/store/bin/sbang",
  "/opt/store",
  "/up/store",
]);

/** In chunks of every size from 8 to what holds it all; the same whatever the size. */
function classified(content: Buffer): string | undefined {
  const whole = scanner.classify(content);
  for (let chunk = 8; chunk < content.byteLength; chunk++) {
    const scan = scanner.start();
    const reused = Buffer.alloc(chunk);
    for (let at = 0; at < content.byteLength; at += chunk)
      scan.update(reused.subarray(0, content.copy(reused, 0, at)));
    expect([chunk, scan.end()]).toEqual([chunk, whole]);
  }
  return whole;
}

const text = (content: string): Buffer => Buffer.from(content);
const hex = (content: string): Buffer => Buffer.from(content, "hex");

test.each<[string, Buffer]>([
  ["a path", text("prefix=/opt/store/p-1/lib")],
  ["a path at the start", text("/opt/store/p-1")],
  ["a path at the very end of a longer file", text(`${"line of text\n".repeat(5)}/up/store`)],
  ["the store's root, whatever follows", text("PATH=/opt/storefront/bin")],
  ["a path after word characters", text("flags: -I/opt/store/include")],
  ["a path in UTF-8 text", text("über /opt/store/p-1 \u{1f600} ü")],
  ["a path in text with NULs", text("a\0b /opt/store/p-1\0")],
  ["a path in ISO 8859-1 text", Buffer.from("Grüße von /opt/store/p-1 é", "latin1")],
])("text is %s", (_, content) => expect(classified(content)).toBe("text"));

test.each<[string, Buffer]>([
  ["has no prefix", text("nothing of interest here, /opt/stor/p-1 nor /op")],
  ["has it inside a longer path", text("see /usr/opt/store/p-1 and more")],
  ["has it inside a path after word characters", text("see /usr-local_1/opt/store/p-1")],
  ["is shorter than 8 bytes", text("/opt/st")],
  ["is empty", text("")],
  [
    "is no text: a control byte of ISO 8859-1 outside UTF-8",
    hex(`80${text(" /opt/store/p-1").toString("hex")}`),
  ],
  ["is no text: NUL outside UTF-8", hex(`ff00${text(" /opt/store/p-1").toString("hex")}`)],
  [
    "is no text: half a character at the end, and DEL",
    hex(`${text("/opt/store/p-1 \x7f").toString("hex")}e282`),
  ],
])("a file is left alone that %s", (_, content) => expect(classified(content)).toBeUndefined());

test.each<[string, Buffer]>([
  ["ELF", hex("7f454c4602010100ff00")],
  ["Mach-O 64, little-endian", hex("cffaedfe07000001")],
  ["Mach-O 32, big-endian", hex("feedface00000007")],
  ["fat Mach-O of two parts", hex("cafebabe00000002")],
  ["fat Mach-O, little-endian", hex("bebafeca02000000")],
])("a binary is %s", (_, content) => expect(classified(content)).toBe("binary"));

test("a Java class is no binary, though it starts as a fat Mach-O does", () => {
  expect(classified(hex("cafebabe00000034"))).toBeUndefined();
});
