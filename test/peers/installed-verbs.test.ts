import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load } from "../../src/app/load.js";
import { location } from "../../src/app/location.js";
import { collect, uninstall } from "../../src/app/uninstall.js";
import { openStore } from "../../src/io/store/disk-store.js";
import { parseDagHash } from "../../src/spec/dag-hash.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";
import { installFrom } from "../support/install-from.js";

const greet = parseDagHash("fnjwovnnel7zse6f4ljr3y6budjlpyrd");
const scratch = scratchDirectory();
afterAll(() => scratch[Symbol.dispose]());

let made = 0;
async function freshStore(): Promise<string> {
  const root = join(scratch.path, `store-${made++}`);
  const cache = join(scratch.path, "cache");
  const { failed } = await installFrom({
    layout: join(shared, "oci/cache"),
    root,
    cache,
    roots: [{ hash: greet }],
  });
  expect(failed).toEqual([]);
  return root;
}
const options = (store: string) => ({ store, home: scratch.path, cwd: scratch.path, env: {} });
const installedIn = async (root: string): Promise<string[]> =>
  [...(await (await openStore(root)).readDatabase()).records.values()]
    .filter(({ installed, spec }) => installed && spec.external === undefined)
    .map(({ spec }) => spec.name)
    .sort();
const all = ["bzip2", "gcc-runtime", "greet", "greet-data", "libgreet", "zlib"];

describe.skipIf(!hasShared)("what is installed", () => {
  let root = "";
  beforeAll(async () => {
    root = await freshStore();
  });

  test("location is a prefix; what is ambiguous or unknown is told", async () => {
    const prefix = await location("greet", options(root));
    expect(existsSync(join(prefix, "bin/greet"))).toBe(true);
    expect(await location(`/${greet.slice(0, 6)}`, options(root))).toBe(prefix);
    await expect(location("greet@9", options(root))).rejects.toMatchObject({
      code: "spec.no-match",
      hint: "Nearest: greet@2.1.0/fnjwovn (@2.1.0 instead of @9).",
    });
    await expect(location("@1:", options(root))).rejects.toMatchObject({ code: "spec.ambiguous" });
  });

  test("what load prints puts programs on the path of a real shell, once", async () => {
    const env = { PATH: "/usr/bin:/bin", MANPATH: "/usr/share/man" };
    const shell = (commands: string) =>
      execFileSync("sh", ["-c", `${commands}\ngreet; env`], { encoding: "utf8", env }).split("\n");
    const once = await load(["greet"], { ...options(root), env, shell: "sh" });
    const found = shell(once.commands);
    expect(found[0]).toMatch(/^Hello, .* zlib 1\.2\.13/);
    expect(found).toContain(`SPACK_LOADED_HASHES=${greet}`);
    const path = found.find((line) => line.startsWith("PATH="));
    expect(path).toMatch(new RegExp(`^PATH=${join(root, "linux-x86_64")}/greet-2\\.1\\.0-${greet}/bin:`));
    expect(path).toMatch(/:\/usr\/bin:\/bin$/);
    // An empty element: the system's own manuals are still found.
    expect(found.find((line) => line.startsWith("MANPATH="))).toMatch(/:\/usr\/share\/man:$/);

    const loaded = Object.fromEntries(
      found.filter((line) => line.includes("=")).map((line) => line.split(/=(.*)/s)),
    );
    expect((await load(["greet"], { ...options(root), env: loaded, shell: "sh" })).commands).toBe("");
  });

  test("load follows the configured prefix inspections", async () => {
    const config = join(scratch.path, "inspect");
    mkdirSync(config, { recursive: true });
    writeFileSync(join(config, "modules.yaml"), "modules:\n  prefix_inspections::\n    share: [SHARES]\n");
    const { environment } = await load(["greet-data"], { ...options(root), config, shell: "fish" });
    expect(environment.get("SHARES")).toMatch(/\/greet-data-[^/]*\/share$/);
    expect(environment.has("CMAKE_PREFIX_PATH")).toBe(false);
  });
});

describe.skipIf(!hasShared)("what is removed", () => {
  test("a package that others need stays, unless they go with it or are to break", async () => {
    const root = await freshStore();
    await expect(uninstall(["zlib"], options(root))).rejects.toMatchObject({ code: "store.needed" });
    const dry = await uninstall(["zlib"], { ...options(root), dependents: true, dryRun: true });
    expect(dry.plan.removed.map(({ spec }) => spec.name)).toEqual(["greet", "libgreet", "zlib"]);
    expect(await installedIn(root)).toEqual(all);

    await uninstall(["zlib"], { ...options(root), force: true });
    expect(await installedIn(root)).toEqual(all.filter((name) => name !== "zlib"));
    // Its record stays for those that name it, as Spack's does.
    const { records } = await (await openStore(root)).readDatabase();
    expect([...records.values()].find(({ spec }) => spec.name === "zlib")).toMatchObject({
      installed: false,
    });
  });

  test("gc removes what nothing that was asked for needs, and all removes the rest", async () => {
    const root = await freshStore();
    expect((await collect(options(root))).plan.removed).toEqual([]);
    await uninstall(["greet"], options(root));
    expect(await installedIn(root)).toEqual(all.filter((name) => name !== "greet"));
    await collect(options(root));
    expect(await installedIn(root)).toEqual([]);

    const other = await freshStore();
    await expect(uninstall(["@1:"], options(other))).rejects.toMatchObject({ code: "spec.ambiguous" });
    await uninstall([], { ...options(other), all: true });
    expect(await installedIn(other)).toEqual([]);
    expect(existsSync(join(other, "linux-x86_64/zlib-1.2.13-7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z"))).toBe(false);
  });
});
