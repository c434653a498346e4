import { expect, test } from "vitest";
import { Failure } from "../base/failure.js";
import { decodeIncludes } from "./include.js";
import { decodeMirrors } from "./mirror.js";
import type { ConfigNode } from "./node.js";
import { parseConfig } from "./parse.js";
import { checkEnvironmentFile, checkSectionFile } from "./sections.js";

const variables = { env: {}, home: "/home/me", named: {} };

function check(section: string, text: string): void {
  const node: ConfigNode | undefined = parseConfig(text, { file: "F", scope: "user" });
  if (node === undefined) return;
  if (section === "spack") {
    checkEnvironmentFile(node);
    return;
  }
  checkSectionFile(node, section);
  const value = node.type === "map" ? node.entries.get(section)?.value : undefined;
  if (section === "mirrors" && value?.type === "map") decodeMirrors(value, variables);
  if (section === "include") decodeIncludes(value, { env: {}, platform: "linux" });
}

test.each([
  ["mirrors", "mirrors:\n  a: [unclosed\n", 2, "config.yaml-invalid", "the [ that"],
  ["mirrors", "mirrors:\n  a: {url: x\n  b: y\n", 2, "config.yaml-invalid", "the { that"],
  ["mirrors", "mirrors:\n  a: {url: [x,\n  y\n}\n", 2, "config.yaml-invalid", "the [ that"],
  ["mirrors", "mirrors:\n  a: file:///a\n   b: file:///b\n", 2, "config.yaml-invalid", ""],
  ["mirrors", "mirrors:\n\ta: file:///a\n", 2, "config.yaml-invalid", ""],
  ["mirrors", "mirrors:\n  a: 'unclosed\n", 2, "config.yaml-invalid", "the ' that"],
  ["mirrors", 'mirrors:\n  a: "unclosed\n  b: y\n  c: z\n', 2, "config.yaml-invalid", 'the " that'],
  ["mirrors", "mirrors:\n  a: ['x''y' 'z']\n", 2, "config.yaml-invalid", ""],
  ["mirrors", "mirrors:\n  a: x\n---\nmirrors:\n  b: y\n", 3, "config.yaml-invalid", "second document"],
  [
    "mirrors",
    "mirrors:\n  a:\n    url: x\n    access_pair: [me]\n",
    4,
    "config.value-invalid",
    "must have 2",
  ],
  ["mirrors", "mirrors:\n  a: *nobody\n", 2, "config.yaml-invalid", "nobody"],
  ["mirrors", "mirrors:\n  a: file:///a\n\n  a: file:///b\n", 4, "config.duplicate-key", ""],
  ["mirrors", "mirrors::\n  a: file:///a\nmirrors:\n  b: file:///b\n", 3, "config.duplicate-key", "line 1"],
  ["mirrors", "mirors:\n  a: file:///a\n", 1, "config.unknown-key", "Did you mean mirrors?"],
  ["mirrors", "mirrors:\n- a\n", 1, "config.wrong-type", "a list"],
  ["mirrors", "mirrors:\n", 1, "config.wrong-type", "empty"],
  ["mirrors", "# only\n- a\n", 2, "config.wrong-type", "the file is a list"],
  ["mirrors", "mirrors:\n  a:\n", 2, "config.wrong-type", "mirrors:a is empty"],
  ["mirrors", "mirrors:\n  a: 12\n", 2, "config.wrong-type", '"12"'],
  [
    "mirrors",
    "mirrors:\n  a:\n    url: x\n    sined: true\n",
    4,
    "config.unknown-key",
    "Did you mean signed?",
  ],
  ["mirrors", "mirrors:\n  a:\n    url: x\n    signed: yes\n", 4, "config.wrong-type", "true or false"],
  ["mirrors", "mirrors:\n  a:\n    signed: true\n", 2, "config.missing-key", "url or fetch or push"],
  [
    "mirrors",
    "mirrors:\n  a:\n    url: x\n    access_pair:\n      id: me\n",
    4,
    "config.missing-key",
    "secret_variable",
  ],
  [
    "mirrors",
    "mirrors:\n  a:\n    url: x\n    access_pair: {id: me, id_variable: ME, secret_variable: S}\n",
    4,
    "config.value-invalid",
    "only one of id and id_variable",
  ],
  [
    "mirrors",
    "mirrors:\n  a:\n    url: x\n    push:\n      signed: true\n",
    5,
    "config.unknown-key",
    "mirrors:a:push:signed",
  ],
  [
    "mirrors",
    "mirrors:\n  a:\n    url: x\n    exclude_binary:\n    - zlib\n    - [gcc]\n",
    6,
    "config.wrong-type",
    "exclude_binary",
  ],
  ["mirrors", "mirrors:\n  a: git://x\n", 2, "mirror.url-invalid", "oci"],
  ["mirrors", "mirrors:\n  a: $spack/x\n", 2, "config.variable-unset", "SPACK_ROOT"],
  [
    "config",
    "config:\n  install_tree:\n    padded_length: -1\n",
    3,
    "config.value-invalid",
    "must be 0 or more",
  ],
  ["config", "config:\n  install_tree:\n    padded_length: long\n", 3, "config.wrong-type", "padded_length"],
  ["config", "config:\n  install_tree:\n    root: [/a]\n", 3, "config.wrong-type", "a text"],
  ["packages", "packages:\n  all:\n    permissions: {read: all}\n", 3, "config.value-invalid", "user, group"],
  ["modules", "modules:\n  prefix_inspections:\n    bin: PATH\n", 3, "config.wrong-type", "a list"],
  ["include", "include:\n- path: x\n  git: y\n", 2, "config.value-invalid", "only one of"],
  ["include", "include:\n- path: x\n  when: os.getcwd()\n", 3, "config.include-condition", "in env"],
  ["spack", "spack:\n  mirror:\n    a: x\n", 2, "config.unknown-key", "Did you mean mirrors?"],
  ["spack", "mirrors:\n  a: x\n", 1, "config.unknown-key", "spack"],
])("a damaged %s file is refused with its line: %j", (section, text, line, code, says) => {
  const failure = (() => {
    try {
      check(section, text);
    } catch (error) {
      return error;
    }
    return undefined;
  })();
  if (!(failure instanceof Failure)) throw new Error(`not refused as a Failure: ${String(failure)}`);
  expect({ code: failure.code, kind: failure.kind }).toEqual({ code, kind: "usage" });
  expect(failure.message).toMatch(new RegExp(`^F:${line}: `));
  expect(`${failure.message} ${failure.hint}`).toContain(says);
});

test("aliases cannot blow a file up", () => {
  const levels = Array.from({ length: 20 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}, *a${i}]`);
  const bomb = ["a0: &a0 [x, x, x]", ...levels].join("\n");
  expect(() => parseConfig(bomb, { file: "F", scope: "user" })).toThrow("too many");
});

test("an alias to what it is in is refused", () => {
  expect(() => parseConfig("a: &a [*a]\n", { file: "F", scope: "user" })).toThrow("nested");
});
