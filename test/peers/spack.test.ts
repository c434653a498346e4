import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { diff } from "../../src/app/graph-queries.js";
import { load } from "../../src/app/load.js";
import { collect, uninstall } from "../../src/app/uninstall.js";
import { view } from "../../src/app/view.js";
import { parseDagHash } from "../../src/spec/dag-hash.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";
import { installFrom } from "../support/install-from.js";
import { writeRecipes } from "../support/spack-recipes.js";

/** Root of a Spack 1.x; without one there is nobody to ask. */
const checkout = process.env["STOWAGE_SPACK"];
const run = promisify(execFile);
const greet = parseDagHash("fnjwovnnel7zse6f4ljr3y6budjlpyrd");
const cached = ["bzip2", "gcc-runtime", "greet", "greet-data", "libgreet", "zlib"];

const scratch = scratchDirectory();
afterAll(() => scratch[Symbol.dispose]());
const at = (...path: readonly string[]): string => join(scratch.path, ...path);
const env = {
  PATH: process.env["PATH"] ?? "/usr/bin:/bin",
  HOME: at("home"),
  SPACK_USER_CONFIG_PATH: at("scope"),
  SPACK_SYSTEM_CONFIG_PATH: at("system"),
  SPACK_USER_CACHE_PATH: at("home"),
};
let made = 0;
let root = "";
const options = () => ({ store: root, home: at("home"), cwd: scratch.path, env: {} });

async function freshStore(): Promise<void> {
  root = at(`store-${made++}`);
  const layout = join(shared, "oci/cache");
  const { failed } = await installFrom({ layout, root, cache: at("cache"), roots: [{ hash: greet }] });
  expect(failed).toEqual([]);
  writeFileSync(at("scope/config.yaml"), `config:\n  install_tree: {root: ${root}}\n`);
}

async function spack(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const program = join(checkout ?? "", "bin/spack");
  try {
    return { code: 0, ...(await run(program, args, { env, encoding: "utf8" })) };
  } catch (error) {
    if (error instanceof Error && "stdout" in error && "stderr" in error)
      return { code: 1, stdout: String(error.stdout), stderr: String(error.stderr) };
    throw error;
  }
}

/** `export NAME=value;` lines, each directory once and none of the host's. */
function ownPaths(commands: string): Record<string, readonly string[]> {
  return Object.fromEntries(
    [...commands.matchAll(/^export (\w+)=(.*);$/gm)].flatMap(([, name, value = ""]) => {
      const own = [...new Set(value.split(":"))].filter(
        (dir) => dir.startsWith(root) || /^\w{32}$/.test(dir),
      );
      return name === undefined || own.length === 0 ? [] : [[name, own]];
    }),
  );
}

describe.skipIf(checkout === undefined || !hasShared)("Spack itself, on a store that we installed", () => {
  beforeAll(async () => {
    mkdirSync(at("scope"), { recursive: true });
    await freshStore();
    await writeRecipes(root, scratch.path);
  });

  test("finds all packages, and what was asked for", async () => {
    const { stdout } = await spack("find", "--json");
    const names = JSON.parse(stdout).map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(cached));
    const { stdout: explicit } = await spack("find", "--explicit", "--format", "{hash}");
    expect(explicit.trim()).toBe(greet);
  });

  test("verifies every file of every package", async () => {
    for (const name of cached)
      expect(await spack("verify", "manifest", name)).toMatchObject({ code: 0, stdout: "" });
  });

  test("loads what we load, directory for directory", async () => {
    const { stdout } = await spack("load", "--sh", "greet");
    const ours = await load(["greet"], { ...options(), shell: "sh" });
    expect(ownPaths(ours.commands)).toEqual(ownPaths(stdout));
    expect(Object.keys(ownPaths(stdout))).toContain("MANPATH");
  });

  test("makes the same view", async () => {
    const theirs = at("view-theirs");
    // Its `view` wants what packages were built with as well, unless it is told each.
    await spack("view", "--dependencies", "no", "symlink", theirs, ...cached);
    const { plan } = await view("view-ours", ["greet"], options());
    const links = (folder: string) =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isSymbolicLink())
        .map(({ parentPath, name }) => join(parentPath, name))
        .map((path) => `${path.slice(folder.length)} -> ${readlinkSync(path)}`)
        .sort();
    expect(links(plan.root)).toEqual(expect.arrayContaining(links(theirs)));
    expect(links(theirs).length).toBeGreaterThan(60);
  });

  test("tells the same differences of two packages, the solver's own facts aside", async () => {
    const { stdout } = await spack("diff", "--json", "zlib", "bzip2");
    const theirs: { a_not_b: [string, string][]; b_not_a: [string, string][] } = JSON.parse(stdout);
    const { differences } = await diff(["zlib", "bzip2"], options());
    for (const { attribute, removed, added } of differences) {
      const of = (facts: [string, string][]) =>
        facts.filter(([name]) => name === attribute).map(([, text]) => text);
      expect({ attribute, removed, added }).toEqual({
        attribute,
        removed: of(theirs.a_not_b).sort(),
        added: of(theirs.b_not_a).sort(),
      });
    }
    expect(differences.length).toBeGreaterThan(5);
  });

  test("uninstalls what we installed, and refuses where we refuse", async () => {
    await freshStore();
    expect((await spack("uninstall", "-y", "zlib")).stdout).toContain("dependents are still installed");
    expect(await spack("uninstall", "-y", "--dependents", "zlib")).toMatchObject({ code: 0 });
    const ours = await collect({ ...options(), dryRun: true });
    expect(ours.plan.removed.map(({ spec }) => spec.name).sort()).toEqual([
      "bzip2",
      "gcc-runtime",
      "greet-data",
    ]);
    await spack("gc", "-y");
    expect(existsSync(join(root, "linux-x86_64"))).toBe(false);
  });

  test("knows what is left after we uninstalled", async () => {
    await freshStore();
    await uninstall(["zlib"], { ...options(), dependents: true });
    const names = JSON.parse((await spack("find", "--json")).stdout).map(
      ({ name }: { name: string }) => name,
    );
    expect(names).toEqual(expect.arrayContaining(["bzip2", "gcc-runtime", "greet-data"]));
    expect(names).not.toContain("zlib");
    expect(existsSync(join(root, `linux-x86_64/greet-2.1.0-${greet}`))).toBe(false);
    expect(await spack("uninstall", "-y", "bzip2")).toMatchObject({ code: 0 });
  });
});
