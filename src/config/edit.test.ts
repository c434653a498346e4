import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Edit, editYaml } from "./edit.js";

const set = (path: string, value: Extract<Edit, { type: "set" }>["value"], first = false): Edit => ({
  type: "set",
  path: path.split(" "),
  value,
  first,
});
const remove = (path: string): Edit => ({ type: "remove", path: path.split(" ") });
const run = (text: string | undefined, ...edits: readonly Edit[]): string => editYaml(text, edits, "F");

const commented = `# my mirrors
mirrors:   # in search order

  # the fast one
  fast: oci://ghcr.io/me/cache   # do not touch
  slow:
    url: "file:///slow"
    signed: false     # yet
    # what to push there
    include_binary: [ gcc,  zlib ]
  last: file:///last
config:
    connect_timeout: 0030
`;

describe("an edit leaves every other byte alone", () => {
  test("a new mirror goes first, above the comment of the one that was first", () => {
    expect(run(commented, set("mirrors new", "oci://x/y", true))).toBe(
      commented.replace("order\n", "order\n  new: oci://x/y\n"),
    );
  });

  test("a mapping takes the indentation that the file has", () => {
    expect(run("mirrors:\n    a: x\n", set("mirrors b", { url: "u", push: { view: "v" } }, true))).toBe(
      "mirrors:\n    b:\n        url: u\n        push:\n            view: v\n    a: x\n",
    );
  });

  test.each<[string, Edit, string, string]>([
    ["a plain value", set("mirrors fast", "oci://other"), "oci://ghcr.io/me/cache", "oci://other"],
    ["a quoted value", set("mirrors slow url", "file:///s"), '"file:///slow"', "file:///s"],
    ["a flag", set("mirrors slow signed", true), "false ", "true "],
    ["a list", set("mirrors slow include_binary", ["a"]), "[ gcc,  zlib ]\n", "\n    - a\n"],
    ["a mapping by a text", set("mirrors last", "y"), "file:///last", "y"],
    ["a mirror", remove("mirrors last"), "  last: file:///last\n", ""],
    [
      "a key in the middle, its comment gone with it",
      remove("mirrors slow signed"),
      "    signed: false     # yet\n",
      "",
    ],
    ["nothing, for what is not there", remove("mirrors nobody"), "", ""],
    ["nothing, for what is so already", set("mirrors slow signed", false), "", ""],
    [
      "a key added at the end of a mapping",
      set("mirrors slow view", "v"),
      "zlib ]\n",
      "zlib ]\n    view: v\n",
    ],
  ])("changes %s", (_, edit, before, after) => {
    expect(run(commented, edit)).toBe(commented.replace(before, after).replace(": \n", ":\n"));
  });

  test("a text becomes a mapping; its comment stays with the name", () => {
    expect(run(commented, set("mirrors fast", { url: "oci://ghcr.io/me/cache", signed: true }))).toBe(
      commented.replace(
        "fast: oci://ghcr.io/me/cache   # do not touch\n",
        "fast:   # do not touch\n    url: oci://ghcr.io/me/cache\n    signed: true\n",
      ),
    );
  });

  test("the last mirror removed leaves an empty mapping, and the comments", () => {
    expect(run("mirrors:  # all\n  # one\n  a: x\n  # end\n", remove("mirrors a"))).toBe(
      "mirrors: {}  # all\n  # one\n  # end\n",
    );
  });

  test("flow mappings stay flow", () => {
    const text = "mirrors: {a: x, b: {url: y}}  # c\n";
    expect(run(text, set("mirrors n", "z", true))).toBe("mirrors: {n: z, a: x, b: {url: y}}  # c\n");
    expect(run(text, set("mirrors b signed", true))).toBe(
      "mirrors: {a: x, b: {signed: true, url: y}}  # c\n",
    );
    expect(run(text, remove("mirrors a"))).toBe("mirrors: {b: {url: y}}  # c\n");
    expect(run(text, remove("mirrors b"))).toBe("mirrors: {a: x}  # c\n");
    expect(run("mirrors: {a: x}\n", remove("mirrors a"))).toBe("mirrors: {}\n");
    expect(run("mirrors: { a: x }\n", set("mirrors b", "y"))).toBe("mirrors: { b: y, a: x }\n");
    expect(run(text, set("mirrors a", { url: "x, y", list: ["p"] }))).toBe(
      'mirrors: {a: {url: "x, y", list: [p]}, b: {url: y}}  # c\n',
    );
  });

  test.each([
    [undefined, "mirrors:\n  a: x\n"],
    ["", "mirrors:\n  a: x\n"],
    ["# only a comment", "# only a comment\nmirrors:\n  a: x\n"],
    ["mirrors: {}\n", "mirrors:\n  a: x\n"],
    ["mirrors: {} # none\n", "mirrors: # none\n  a: x\n"],
    ["config:\n  x: 1", "config:\n  x: 1\nmirrors:\n  a: x\n"],
    ["mirrors::\n  b: y\n", "mirrors::\n  a: x\n  b: y\n"],
    ["mirrors:\r\n  b: y\r\n", "mirrors:\r\n  a: x\r\n  b: y\r\n"],
    ["mirrors:\n  b: y", "mirrors:\n  a: x\n  b: y"],
  ])("a first mirror in %j", (before, after) => {
    expect(run(before, set("mirrors a", "x", true))).toBe(after);
  });

  test("an environment's mirrors lie below spack:", () => {
    expect(run("spack:\n  specs: [zlib]\n  view: false\n", set("spack mirrors a", "x", true))).toBe(
      "spack:\n  specs: [zlib]\n  view: false\n  mirrors:\n    a: x\n",
    );
  });

  test("odd names and values are quoted so that they read back the same", () => {
    for (const odd of ["true", "1.0", "a: b", "# x", "", "- x", "~", "é\u0001", "x:", "*a", "null", "0x1F"])
      expect(run(undefined, set("mirrors a", odd))).toBe(`mirrors:\n  a: ${JSON.stringify(odd)}\n`);
  });

  test("an alias is not written through", () => {
    const text = "mirrors:\n  a: &a {url: x}\n  b: *a\n";
    expect(() => run(text, set("mirrors b url", "y"))).toThrow("F:3: cannot change what is an alias");
    expect(run(text, set("mirrors b", "y"))).toBe("mirrors:\n  a: &a {url: x}\n  b: y\n");
  });

  test("a file that does not parse is not touched", () => {
    expect(() => run("mirrors:\n  a: [\n", set("mirrors b", "y"))).toThrow("F:2");
  });
});

test("in any file, lines that an edit does not speak of stay as they are, in order", () => {
  const comment = fc.constantFrom("", "  # note", " #x");
  const entry = fc.tuple(
    fc.constantFrom("a", "b", "c", "d", '"e"', "f::"),
    fc.constantFrom(
      " x",
      ' "y z"',
      "\n    url: u\n    signed: false",
      " {url: v}",
      "\n\n    # deep\n    url: w",
    ),
    comment,
    fc.constantFrom("", "  # above\n", "\n"),
  );
  const file = fc
    .uniqueArray(entry, { selector: ([key]) => key, minLength: 1 })
    .map(
      (entries) =>
        `mirrors:\n${entries.map(([key, value, note, above]) => `${above}  ${key}:${value}${note}\n`).join("")}`,
    );
  const name = fc.constantFrom("a", "b", "c", "d", "e", "f", "new");
  const value = fc.constantFrom("text", { url: "u2", signed: true });
  fc.assert(
    fc.property(file, name, value, fc.boolean(), (text, key, to, removing) => {
      const after = run(text, removing ? remove(`mirrors ${key}`) : set(`mirrors ${key}`, to, true));
      const others = text
        .split(/(?=^ {2}\S)/m)
        .filter((chunk) => !new RegExp(`^ {2}"?${key}"?:`).test(chunk))
        .flatMap((chunk) => chunk.split("\n").filter((line) => line.trim() !== "" && line !== "mirrors:"));
      const kept = after.split("\n").filter((line) => others.includes(line));
      expect(kept).toEqual(expect.arrayContaining(others));
    }),
    { numRuns: process.env["STOWAGE_SOAK"] ? 20_000 : 300 },
  );
});
