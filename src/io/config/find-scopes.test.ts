import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Failure } from "../../base/failure.js";
import { readSection } from "../../config/configuration.js";
import { nodeAt, plainOf } from "../../config/node.js";
import { findScopes, findSpack } from "./find-scopes.js";
import { readText } from "./scope-files.js";

interface Case {
  readonly name: string;
  readonly section: string;
  readonly at?: readonly string[];
  readonly files: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly answer: unknown;
}
const cases: readonly Case[] = JSON.parse(
  readFileSync(new URL("../../../test/fixtures/spack-config/cases.json", import.meta.url), "utf8"),
);

const scratch = mkdtempSync(join(tmpdir(), "stowage-scopes-"));
afterAll(() => rmSync(scratch, { recursive: true }));

function write(root: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
}

/** As much of a Spack as its configuration needs: the order of scopes, and the defaults that the cases meet. */
const spack1 = {
  "lib/spack/spack/.keep": "",
  "etc/spack/include.yaml": `include:
- {name: user, path_override_env_var: SPACK_USER_CONFIG_PATH, path: ~/.spack, optional: true, when: '"SPACK_DISABLE_LOCAL_CONFIG" not in env'}
- {name: site, path: $spack/etc/spack/site, optional: true}
- {name: system, path_override_env_var: SPACK_SYSTEM_CONFIG_PATH, path: /etc/spack, optional: true, when: '"SPACK_DISABLE_LOCAL_CONFIG" not in env'}
`,
  "etc/spack/defaults/include.yaml": "include: [{path: $platform, optional: true}, {path: base}]\n",
  "etc/spack/defaults/base/mirrors.yaml":
    "mirrors:\n  spack-public:\n    binary: false\n    url: https://mirror.spack.io\n",
  "etc/spack/defaults/base/config.yaml": `config:
  connect_timeout: 30
  install_tree:
    root: $spack/opt/spack
    projections:
      all: "{architecture.platform}-{architecture.target}/{name}-{version}-{hash}"
`,
  "etc/spack/defaults/base/modules.yaml": "modules:\n  prefix_inspections:\n    ./bin: [PATH]\n",
};

const open = (
  root: string,
  env: Readonly<Record<string, string>>,
  given: { c?: string[]; e?: string } = {},
) => {
  const spack = join(root, "spack");
  return findScopes({
    env: {
      SPACK_USER_CONFIG_PATH: join(root, "user"),
      SPACK_SYSTEM_CONFIG_PATH: join(root, "system"),
      ...env,
    },
    cwd: root,
    platform: "linux",
    spack,
    variables: { env, home: root, named: { spack, platform: "linux" } },
    folders: given.c ?? [],
    environment: given.e,
  });
};

describe("scopes merge as real Spack merges them", () => {
  test.each(cases)("$name", async ({ section, at = [], files, env = {}, answer }) => {
    const root = mkdtempSync(join(scratch, "case-"));
    write(join(root, "spack"), spack1);
    for (const [name, text] of Object.entries(files))
      write(name.startsWith("site/") ? join(root, "spack/etc/spack") : root, { [name]: text });
    const has = (folder: string): boolean => Object.keys(files).some((name) => name.startsWith(`${folder}/`));
    const ours = async (): Promise<unknown> => {
      const configuration = await open(root, env, {
        c: ["command0", "command1"].filter(has),
        ...(has("environment") ? { e: join(root, "environment") } : {}),
      });
      const node = nodeAt(await readSection(configuration, section), at);
      return node === undefined ? undefined : plainOf(node);
    };
    if (answer === null) {
      await expect(ours()).rejects.toThrow(Failure);
      return;
    }
    // As text: the order of keys is the order of search.
    expect(JSON.stringify(await ours())).toBe(JSON.stringify(answer));
  });
});

test("the old forms of credentials, which Spack 1.x refuses, are still read", async () => {
  const root = mkdtempSync(join(scratch, "old-"));
  write(root, { "user/mirrors.yaml": "mirrors:\n  a: {url: file:///a, access_pair: [me, secret]}\n" });
  await expect(readSection(await open(root, {}), "mirrors")).resolves.toBeDefined();
});

test("a Spack of 0.x has its site above the system and below the user", async () => {
  const root = mkdtempSync(join(scratch, "zero-"));
  write(root, {
    "spack/etc/spack/mirrors.yaml": "mirrors: {a: file:///site, b: file:///site}\n",
    "system/mirrors.yaml": "mirrors: {b: file:///system, c: file:///system}\n",
    "user/mirrors.yaml": "mirrors: {a: file:///user}\n",
  });
  const section = await readSection(await open(root, {}), "mirrors");
  expect(section && plainOf(section)).toEqual({
    a: "file:///user",
    b: "file:///site",
    c: "file:///system",
  });
});

test("a file that cannot be read is an error, not an empty scope", async () => {
  const root = mkdtempSync(join(scratch, "unreadable-"));
  mkdirSync(join(root, "user/mirrors.yaml"), { recursive: true });
  await expect(readSection(await open(root, {}), "mirrors")).rejects.toMatchObject({
    code: "config.unreadable",
  });
});

test("includes that include each other end in an error", async () => {
  const root = mkdtempSync(join(scratch, "loop-"));
  write(root, { "user/include.yaml": `include: ["${join(root, "user")}"]\n` });
  await expect(open(root, {})).rejects.toMatchObject({ code: "config.include-loop" });
});

test("Spack is found by SPACK_ROOT, else by the PATH; a wrong SPACK_ROOT is an error", () => {
  const root = mkdtempSync(join(scratch, "find-"));
  write(root, { "lib/spack/spack/.keep": "", "bin/spack": "" });
  expect(findSpack({ SPACK_ROOT: root })).toBe(root);
  expect(findSpack({ PATH: join(root, "bin") })).toBeUndefined();
  chmodSync(join(root, "bin/spack"), 0o755);
  expect(findSpack({ PATH: `/nowhere:${join(root, "bin")}` })).toBe(root);
  expect(findSpack({ PATH: "/nowhere" })).toBeUndefined();
  expect(() => findSpack({ SPACK_ROOT: "/nowhere" })).toThrow("where there is no Spack");
});

test("a file that is no text is refused with the line where it is none", async () => {
  const file = join(scratch, "latin1.yaml");
  writeFileSync(file, Buffer.from("mirrors:\n  ä: x\n  b: \xe9\n", "latin1"));
  await expect(readText(file)).rejects.toThrow(`${file}:2: not UTF-8 text`);
});
