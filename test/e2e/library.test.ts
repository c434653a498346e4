import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { scratchDirectory, spackRoot, unpackStore } from "../support/fixtures.js";
import { startRegistry, type TestRegistry } from "../support/registry.js";

type Library = typeof import("../../src/index.js");
type Versions = typeof import("../../src/version/index.js");

const scratch = scratchDirectory();
let registry: TestRegistry;
let library: Library;

beforeAll(async () => {
  unpackStore(scratch.path);
  registry = await startRegistry();
  // As built, and from outside: what a program that depends on the package gets.
  library = await import(new URL("../../dist/lib/index.js", import.meta.url).href);
});
afterAll(async () => {
  await registry.close();
  scratch[Symbol.dispose]();
});

test("a program pushes, lists, installs and finds with the library alone", async () => {
  const { push, updateIndex, list, install, find, verify } = library;
  const mirror = `oci+http://${registry.host}/cache`;
  const here = { env: { SPACK_DISABLE_LOCAL_CONFIG: "1" }, home: join(scratch.path, "home") };
  const events: string[] = [];
  const pushed = await push(mirror, {
    ...here,
    specs: ["greet"],
    store: spackRoot,
    sysroot: scratch.path,
    report: ({ type }) => events.push(type),
  });
  expect(pushed.pushed).toHaveLength(6);
  expect(new Set(events)).toEqual(new Set(["planned", "started", "advanced", "finished"]));

  expect(await updateIndex(mirror, here)).toMatchObject({ packages: 6, written: true });
  expect(await updateIndex(mirror, here)).toMatchObject({ packages: 6, written: false });
  const { packages } = await list({ ...here, mirror, specs: ["greet"] });
  expect(packages.map(({ spec }) => spec.version)).toEqual(["2.1.0"]);

  const store = join(scratch.path, "s");
  const installed = await install(["greet"], { ...here, mirror, store });
  expect(installed.run?.installed).toHaveLength(6);
  const found = await find(["greet"], { ...here, store });
  expect(found.packages[0]?.prefix).toMatch(`${store}/linux-x86_64/greet-2.1.0-`);
  for (const { result } of await verify([], { ...here, store }))
    expect(result).toMatchObject({ type: "checked", deviations: [] });
});

test("the program in docs/library.md does what it says", async () => {
  const page = readFileSync(new URL("../../docs/library.md", import.meta.url), "utf8");
  const program = /```js\n(.*?)```/s.exec(page)?.[1] ?? "";
  const ours = [
    ['"stowage"', JSON.stringify(new URL("../../dist/lib/index.js", import.meta.url).href)],
    ["oci://ghcr.io/my-org/cache", `oci+http://${registry.host}/documented`],
    ["hdf5+mpi", "greet"],
    ["/opt/software", join(scratch.path, "d")],
    ["const common = {", `const common = { store: "${spackRoot}", sysroot: "${scratch.path}",`],
  ] as const;
  for (const [theirs] of ours) expect(program).toContain(theirs);
  const cwd = join(scratch.path, "documented");
  mkdirSync(cwd);
  writeFileSync(
    join(cwd, "program.mjs"),
    ours.reduce((text, [theirs, replacement]) => text.replaceAll(theirs, replacement), program),
  );
  const env = { PATH: process.env["PATH"], HOME: cwd, SPACK_DISABLE_LOCAL_CONFIG: "1" };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["program.mjs"], { cwd, env });
  expect(stderr).toBe("");
  expect(stdout.split("\n")).toContainEqual(expect.stringMatching(/^unpack greet@/));
  expect(stdout).toMatch(/\n6 packages, \d+ bytes\n$/);
  const { packages } = await library.list({ mirror: join(cwd, "mirror"), home: cwd, checkSignature: false });
  expect(packages).toHaveLength(6);
});

test("what fails is a Failure that a program can tell apart", async () => {
  const { exitCodes, Failure, install } = library;
  const mirror = `oci+http://${registry.host}/nothing`;
  const failed = await install(["greet"], { mirror, home: scratch.path, env: {} }).catch(
    (error: unknown) => error,
  );
  expect(failed).toBeInstanceOf(Failure);
  expect(failed).toMatchObject({ kind: "not-found", code: "buildcache.index-missing" });
  expect(exitCodes["not-found"]).toBe(3);
});

test("an aborted signal stops an operation with the failure `interrupted`", async () => {
  const mirror = `oci+http://${registry.host}/cache`;
  const signal = AbortSignal.abort();
  const failed = library.updateIndex(mirror, { home: scratch.path, env: {}, signal });
  await expect(failed).rejects.toMatchObject({ kind: "interrupted" });
});

test("the versions alone are a module of their own", async () => {
  const versions: Versions = await import(new URL("../../dist/lib/version.js", import.meta.url).href);
  const { compareVersions, parseVersion } = versions;
  const sorted = ["1.10", "develop", "1.9", "1.10rc1"]
    .map((text) => parseVersion(text))
    .sort(compareVersions);
  expect(sorted.map(({ text }) => text)).toEqual(["1.9", "1.10rc1", "1.10", "develop"]);
});
