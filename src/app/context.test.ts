import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openContext, type StowageOptions } from "./context.js";
import { configuredInspections } from "./inspections.js";

const root = mkdtempSync(join(tmpdir(), "stowage-context-"));
afterAll(() => rmSync(root, { recursive: true }));

/** Options of a home with these files in its `.spack`, on a machine without Spack. */
function home(files: Readonly<Record<string, string>>): StowageOptions {
  const path = mkdtempSync(join(root, "home-"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, ".spack"), { recursive: true });
    writeFileSync(join(path, ".spack", name), text);
  }
  return { home: path, cwd: path, env: { SPACK_SYSTEM_CONFIG_PATH: join(path, "system") } };
}

test("without any configuration there is a store and a cache in ~/.stowage", async () => {
  const options = home({});
  const context = await openContext(options);
  expect(context.installTree.root).toBe(join(options.home ?? "", ".stowage/store"));
  expect(context.cacheRoot).toBe(join(options.home ?? "", ".stowage/cache"));
  expect(await context.mirrors()).toEqual([]);
});

test("XDG_CACHE_HOME moves the cache; a relative one is ignored, as its specification says", async () => {
  const options = home({});
  const at = async (path: string): Promise<string> =>
    (await openContext({ ...options, env: { ...options.env, XDG_CACHE_HOME: path } })).cacheRoot;
  expect(await at("/var/c")).toBe("/var/c/stowage");
  expect(await at("c")).toBe(join(options.home ?? "", ".stowage/cache"));
});

test("an empty --store is refused: a variable that is not set must not mean the current folder", async () => {
  const context = await openContext({ ...home({}), store: "" });
  expect(() => context.installTree).toThrow(
    expect.objectContaining({ kind: "usage", code: "store.root-empty" }),
  );
});

test("--store wins over the configuration, which wins over the default", async () => {
  const options = home({
    "config.yaml": "config:\n  install_tree:\n    root: ~/apps\n    padded_length: 64\n",
  });
  expect((await openContext(options)).installTree).toEqual({
    root: join(options.home ?? "", "apps"),
    paddedLength: 64,
    projections: undefined,
  });
  expect((await openContext({ ...options, store: "here" })).installTree).toEqual({
    root: join(options.home ?? "", "here"),
    paddedLength: 0,
    projections: undefined,
  });
});

test("a root below an unknown $spack is an error where it is needed, not before", async () => {
  const context = await openContext(
    home({
      "config.yaml": "config:\n  install_tree:\n    root: $spack/opt\n",
      "mirrors.yaml": "mirrors:\n  a: /a\n",
    }),
  );
  expect(await context.mirrors()).toHaveLength(1);
  expect(() => context.installTree).toThrow("$spack");
});

test("variables of the host are looked up where a path has them", async () => {
  const context = await openContext(home({ "mirrors.yaml": "mirrors:\n  a: /m/$os/$target\n" }));
  const [mirror] = await context.mirrors();
  expect(mirror?.fetch?.url).toMatch(/^file:\/\/\/m\/[a-z]+[0-9.]*\/[a-z0-9_]+$/);
});

test("an environment is the one named, else $SPACK_ENV", async () => {
  const options = home({});
  const environment = join(options.home ?? "", "e");
  mkdirSync(environment);
  writeFileSync(join(environment, "spack.yaml"), "spack:\n  mirrors:\n    e: $env/m\n");
  const urlWith = async (more: StowageOptions): Promise<string | undefined> =>
    (await (await openContext({ ...options, ...more })).mirror("e")).fetch?.url;
  expect(await urlWith({ environment: "./e" })).toBe(`file://${environment}/m`);
  expect(await urlWith({ env: { ...options.env, SPACK_ENV: environment } })).toBe(`file://${environment}/m`);
  await expect(openContext({ ...options, environment: "./none" })).rejects.toMatchObject({
    code: "config.environment-missing",
  });
});

test("without a Spack its default inspections stand below the user's", async () => {
  const inspections = async (text: string) =>
    configuredInspections(await openContext(home({ "modules.yaml": text })));
  const extended = await inspections("modules:\n  prefix_inspections:\n    lib: [LD_LIBRARY_PATH]\n");
  expect(extended?.slice(0, 2)).toEqual([
    ["lib", ["LD_LIBRARY_PATH"]],
    ["bin", ["PATH"]],
  ]);
  expect(await inspections("modules:\n  prefix_inspections::\n    lib: [L]\n")).toEqual([["lib", ["L"]]]);
  expect(await inspections("modules: {}\n")).toBeUndefined();
});

test("all of Spack's variables have a value, where there is a Spack", async () => {
  const spack = join(root, "a-spack");
  mkdirSync(join(spack, "lib/spack/spack"), { recursive: true });
  writeFileSync(join(spack, "lib/spack/spack/__init__.py"), '# x\n__version__ = "1.3.0.dev0"\n');
  const options = home({
    "config.yaml":
      "config:\n  install_tree:\n    root: /a/$date/$spack_short_version/$spack_instance_id/$target_family/$ARCH\n",
  });
  const { installTree } = await openContext({ ...options, env: { ...options.env, SPACK_ROOT: spack } });
  expect(installTree.root).toMatch(/^\/a\/\d{4}-\d\d-\d\d\/1\.3\/[a-z2-7]{7}\/[a-z0-9_]+\/\w+-\w+-\w+$/);
});
