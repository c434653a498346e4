import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { spackRoot } from "../support/fixtures.js";
import { pushingMachine } from "../support/push.js";
import { startRegistry, type TestRegistry } from "../support/registry.js";

const machine = pushingMachine();
let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(async () => {
  await registry.close();
  machine[Symbol.dispose]();
});

let repositories = 0;
/** A repository that nothing was pushed to. */
const freshMirror = (): string => `oci+http://${registry.host}/cache${repositories++}`;
const namesOf = (packages: readonly { readonly name: string }[]): string[] =>
  packages.map(({ name }) => name).sort();

function writeEnvironment(name: string, files: Readonly<Record<string, string>>): string {
  const directory = join(machine.path, name);
  mkdirSync(directory);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text);
  return directory;
}

const grouped = `spack:
  specs:
  - group: apps
    specs: [greet]
  - group: libraries
    specs: [zlib]
`;

test("without specs the roots of the environment are pushed; of a group only its own", async () => {
  const environment = writeEnvironment("grouped", { "spack.yaml": grouped });
  const libraries = await machine.push(freshMirror(), { environment, groups: ["libraries"] });
  expect(namesOf(libraries.pushed)).toEqual(["gcc-runtime", "zlib"]);
  const all = await machine.push(freshMirror(), { environment });
  expect(namesOf(all.pushed)).toContain("greet");
  await expect(machine.push(freshMirror(), { environment, groups: ["none"] })).rejects.toMatchObject({
    code: "push.nothing-asked",
  });
});

test("without specs and without an environment all is pushed that was asked for when it was installed", async () => {
  const { pushed } = await machine.push(freshMirror());
  expect(namesOf(pushed)).toEqual(["bzip2", "gcc-runtime", "greet", "greet-data", "libgreet", "zlib"]);
});

test("a group needs an environment", async () => {
  await expect(machine.push(freshMirror(), { groups: ["apps"] })).rejects.toMatchObject({
    kind: "usage",
    code: "push.group-without-environment",
  });
});

test("a root of a lockfile that is not installed is missing, and with --strict an error", async () => {
  const hash = "a".repeat(32);
  const node = {
    name: "absent",
    version: "9",
    arch: { platform: "linux", platform_os: "debian12", target: "x86_64" },
    hash,
  };
  const lock = {
    _meta: { "file-type": "spack-lockfile", "lockfile-version": 6, "specfile-version": 4 },
    roots: [{ hash, spec: "absent" }],
    concrete_specs: { [hash]: node },
  };
  const environment = writeEnvironment("locked", {
    "spack.yaml": "spack:\n  specs: [absent]\n",
    "spack.lock": JSON.stringify(lock),
  });
  const result = await machine.push(freshMirror(), { environment });
  expect(result).toMatchObject({ pushed: [], missing: [{ name: "absent", version: "9", hash }] });
  await expect(machine.push(freshMirror(), { environment, strict: true })).rejects.toMatchObject({
    kind: "not-found",
    code: "push.dependencies-missing",
  });
});

test("a mirror's include_binary and exclude_binary decide what it takes", async () => {
  const url = freshMirror();
  mkdirSync(join(machine.home, "spack"), { recursive: true });
  writeFileSync(
    join(machine.home, "spack/mirrors.yaml"),
    `mirrors:
  filtered:
    url: ${url}
    push:
      url: ${url}
      include_binary: [zlib, greet-data, '^zlib']
      exclude_binary: ['greet@2:']
`,
  );
  const result = await machine.push("filtered", { specs: ["greet"] });
  expect(namesOf(result.pushed)).toEqual(["greet-data", "libgreet", "zlib"]);
  expect(namesOf(result.excluded)).toEqual(["bzip2", "gcc-runtime", "greet"]);
});

test("what its recipe forbids to redistribute is pushed with --private only", async () => {
  const recipe = machine.locate(
    `${spackRoot}/linux-x86_64/greet-data-2.0-66tf2rly7qekkbajxrrfqmqxlc53cana/.spack/repos/spack_repo/` +
      "stowage_fixtures/packages/greet_data/package.py",
  );
  const before = readFileSync(recipe, "utf8");
  const url = freshMirror();
  try {
    for (const [when, reasons] of [
      [', when="@3:"', []],
      [', when="@2.0"', ["redistribution"]],
    ] as const) {
      writeFileSync(recipe, `${before}\n    redistribute(binary=False${when})\n`);
      const { excluded } = await machine.push(url, { specs: ["greet-data"], only: "package", force: true });
      expect(excluded.map(({ reason }) => reason)).toEqual(reasons);
    }
    const all = await machine.push(url, { specs: ["greet-data"], force: true, private: true });
    expect(namesOf(all.pushed)).toEqual(["greet-data"]);
  } finally {
    writeFileSync(recipe, before);
  }
});

test("the digest file has a line for what was pushed and for what was there", async () => {
  const url = freshMirror();
  const digestFile = join(machine.path, "digests");
  const zlib = await machine.push(url, { specs: ["zlib"] });
  const greet = await machine.push(url, { specs: ["greet"], digestFile });
  const lines = readFileSync(digestFile, "utf8").trimEnd().split("\n");
  expect(new Set(lines)).toEqual(
    new Set([...zlib.pushed, ...greet.pushed].map(({ tag, manifest }) => `${tag} ${manifest}`)),
  );
  expect(lines).toHaveLength(6);
});
