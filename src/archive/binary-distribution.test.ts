import { expect, test } from "vitest";
import { utf8 } from "../base/bytes.js";
import { decodeBinaryDistribution, encodeBinaryDistribution, encodeScalar } from "./binary-distribution.js";

const distribution = {
  sbangInstallPath: "/opt/store/bin/sbang",
  buildPath: "/opt/store",
  spackPrefix: "/opt/spack",
  relativePrefix: "linux-x86_64/p-1-abc",
  hardlinksDeduped: true,
  hashToPrefix: new Map([["abc", "/opt/store/linux-x86_64/p-1-abc"]]),
  relocateBinaries: ["bin/p", "lib/123"],
  relocateLinks: [],
  relocateTextFiles: ["share/a, b", "share/it's", "share/odd-\udcff", "true"],
};

test("encodeBinaryDistribution() writes one line of YAML, keys in Spack's order", () => {
  expect(Buffer.from(encodeBinaryDistribution(distribution)).toString()).toBe(
    "{sbang_install_path: /opt/store/bin/sbang, buildpath: /opt/store, spackprefix: /opt/spack, " +
      "relative_prefix: linux-x86_64/p-1-abc, hardlinks_deduped: true, " +
      "hash_to_prefix: {abc: /opt/store/linux-x86_64/p-1-abc}, relocate_binaries: [bin/p, lib/123], " +
      "relocate_links: [], relocate_textfiles: ['share/a, b', share/it's, \"share/odd-\\uDCFF\", 'true']}\n",
  );
});

test("decodeBinaryDistribution() reads what encodeBinaryDistribution() writes", () => {
  expect(decodeBinaryDistribution(encodeBinaryDistribution(distribution), "p")).toEqual(distribution);
});

test("decodeBinaryDistribution() reads the block style of Spack 0.21", () => {
  const text = [
    "sbang_install_path: /s/bin/sbang",
    "buildpath: /s",
    "spackprefix: /opt/spack-0.21",
    "relative_prefix: arch/p",
    "relocate_textfiles:",
    "- lib/pkgconfig/bzip2.pc",
    "relocate_binaries: []",
    "relocate_links: []",
    "hash_to_prefix:",
    "  '1234': /s/arch/p",
    "",
  ].join("\n");
  expect(decodeBinaryDistribution(utf8(text), "p")).toMatchObject({
    hardlinksDeduped: false,
    relocateTextFiles: ["lib/pkgconfig/bzip2.pc"],
    hashToPrefix: new Map([["1234", "/s/arch/p"]]),
  });
});

test("decodeBinaryDistribution() reads prefix_to_hash, as Spack wrote before 0.20", () => {
  const text =
    "{sbang_install_path: /b, buildpath: /s, spackprefix: /sp, relative_prefix: p, prefix_to_hash: {/s/p: abc}}";
  expect(decodeBinaryDistribution(utf8(text), "p").hashToPrefix).toEqual(new Map([["abc", "/s/p"]]));
});

test.each([
  ["no mapping", "[a, b]"],
  ["missing keys", "{buildpath: /s}"],
  [
    "a list of lists",
    "{sbang_install_path: a, buildpath: b, spackprefix: c, relative_prefix: d, relocate_links: [[x]]}",
  ],
  ["no YAML", "{a: ["],
])("decodeBinaryDistribution() refuses %s", (_, text) => {
  expect(() => decodeBinaryDistribution(utf8(text), "zlib")).toThrow(
    expect.objectContaining({ code: "archive.metadata-invalid", subject: "zlib" }),
  );
});

// Each as ruamel.yaml writes it in a flow sequence, without folding.
test.each([
  [
    "plain",
    [
      "a b",
      "a#b",
      "a:b",
      "it's",
      "-a",
      "?a",
      "yes",
      "no",
      "1:2",
      "ümläut",
      "\u{1f600}",
      "a=",
      "..",
      "--",
      ".5e",
      "_1",
    ],
  ],
  [
    "single",
    [
      "",
      " a",
      "a ",
      "a,b",
      "[a",
      "a: b",
      "a #b",
      "a:",
      "#a",
      "---a",
      "- a",
      "-",
      "=",
      "<<",
      "123",
      "08",
      "12_3",
      "1e3",
      ".5",
      "-_",
      "0x1f",
      "true",
      "~",
      "2020-01-01",
      "2020-01-01 10:00:00",
      ".nan",
      "a\x85",
      "x\u2028y",
    ],
  ],
  ["double", ["a\tb", "a\x01b", "a\x7fb", "a\ufeffb", "odd-\udcff", "a\u2028 b"]],
])("encodeScalar() writes %s scalars", (style, texts) => {
  const quote = { plain: undefined, single: "'", double: '"' }[style];
  for (const text of texts) {
    const written = encodeScalar(text);
    expect([text, written.startsWith("'") || written.startsWith('"') ? written[0] : undefined]).toEqual([
      text,
      quote,
    ]);
    if (quote === "'") expect(written).toBe(`'${text}'`);
  }
  expect(encodeScalar('\u{1f600}\\"\x01\u2028 \udc80')).toBe('"\\U0001F600\\\\\\"\\x01\\L \\uDC80"');
});
