import { execFile } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { storeCheck } from "../../src/app/store-check.js";
import { openStore } from "../../src/io/store/disk-store.js";
import { parseDagHash } from "../../src/spec/dag-hash.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";
import { installFrom } from "../support/install-from.js";
import { writeRecipes } from "../support/spack-recipes.js";

/** Root of a Spack 1.x; without one there is nobody beside us. */
const checkout = process.env["STOWAGE_SPACK"];
const rounds = process.env["STOWAGE_SOAK"] === undefined ? 3 : 20;
const run = promisify(execFile);
const greet = parseDagHash("fnjwovnnel7zse6f4ljr3y6budjlpyrd");
const zlib = parseDagHash("7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z");

const bzip2 = parseDagHash("5xfxwrgrx3v2jqtmavziwluq3o2wp6x4");
const libgreet = parseDagHash("dliq6qbpjgdd5ycmfvwzmqycis6gelcr");

/** A Spack and a store of their own below a folder. */
function machine(folder: string) {
  const at = (...path: readonly string[]) => join(folder, ...path);
  const env = {
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    HOME: at("home"),
    SPACK_USER_CONFIG_PATH: at("scope"),
    SPACK_SYSTEM_CONFIG_PATH: at("system"),
    SPACK_USER_CACHE_PATH: at("home"),
  };
  mkdirSync(at("scope"));
  return {
    at,
    useStore: (root: string) =>
      writeFileSync(at("scope/config.yaml"), `config:\n  install_tree: {root: ${root}}\n`),
    spack: (...args: readonly string[]) => run(join(checkout ?? "", "bin/spack"), args, { env }),
    install: async (root: string, hash: typeof greet, overwrite = false) => {
      const options = { layout: join(shared, "oci/cache"), root, cache: at("cache"), roots: [{ hash }] };
      expect((await installFrom({ ...options, overwrite })).failed).toEqual([]);
    },
  };
}

/** Whether something has happened after so many milliseconds at the latest. */
const within = (milliseconds: number, happened: Promise<boolean>): Promise<boolean> =>
  Promise.race([happened, setTimeout(milliseconds, false)]);

/** Installs greet again and again until Spack has ended. */
async function installUntil(ended: Promise<unknown>, install: () => Promise<void>): Promise<void> {
  let isRunning = true;
  const stopping = ended.finally(() => {
    isRunning = false;
  });
  do await install();
  while (isRunning);
  await stopping;
}

test.skipIf(checkout === undefined || !hasShared)(
  `Spack and we change one store at the same time, ${rounds} times, and neither loses what the other did`,
  async () => {
    using scratch = scratchDirectory();
    const { at, useStore, spack, install } = machine(scratch.path);
    const root = at("store");
    useStore(root);
    await install(root, zlib);
    for (let round = 1; round <= rounds; round += 1) {
      const explicit = round % 2 === 0;
      // It writes the whole database, and so do we, several times in the same second.
      const marking = spack("mark", explicit ? "--explicit" : "--implicit", `/${zlib}`);
      await installUntil(marking, () => install(root, greet, true));
      const { records } = await (await openStore(root)).readDatabase();
      expect(records.get(zlib), `round ${round}`).toMatchObject({ installed: true, explicit });
      expect(records.get(greet), `round ${round}`).toMatchObject({ installed: true, explicit: true });
      const { stdout } = await spack("find", "--format", "{hash}");
      expect(stdout.split("\n"), `round ${round}`).toEqual(expect.arrayContaining([greet, zlib]));
    }
  },
  60_000 + rounds * 30_000,
);

test.skipIf(checkout === undefined || !hasShared)(
  `Spack installs from a build cache beside us, ${rounds} times: all is there once, recorded and whole`,
  async () => {
    using scratch = scratchDirectory();
    const { at, useStore, spack, install } = machine(scratch.path);
    await install(at("first"), greet);
    await writeRecipes(at("first"), scratch.path);
    const mirror = `file://${join(shared, "mirror-v3-unsigned")}`;
    writeFileSync(at("scope/mirrors.yaml"), `mirrors:\n  fixture: ${mirror}\n`);
    const installing = ["install", "--use-buildcache", "only", "--no-check-signature"];
    for (let round = 1; round <= rounds; round += 1) {
      // Spack relocates only to where paths are no longer.
      const root = at(`s${round}`);
      useStore(root);
      // Each round something else is there first; what libgreet and greet share, both want.
      if (round % 3 === 0) await install(root, zlib);
      const theirs = spack(...installing, `/${libgreet}`, `/${bzip2}`);
      // Once it has looked at the store it is about to install.
      const started = theirs.then(
        () => true,
        () => true,
      );
      while (!existsSync(join(root, ".spack-db/prefix_lock")) && !(await within(50, started)));
      await within((round % 5) * 100, started);
      await installUntil(theirs, () => install(root, greet, true));
      const options = { store: root, home: at("home"), cwd: scratch.path, env: {} };
      const { problems } = await storeCheck(options);
      // Spack keeps the manifest of where a package was built: by that all of it is elsewhere, as for itself.
      const ours = problems.filter(
        (one) => one.type !== "changed" || one.deviations.every(({ path }) => path.startsWith(root)),
      );
      expect(ours, `round ${round}`).toEqual([]);
      const { records } = await (await openStore(root)).readDatabase();
      const program = join(records.get(greet)?.path ?? "", "bin/greet");
      expect((await run(program)).stdout, `round ${round}`).toContain("Hello");
      for (const hash of [greet, libgreet, bzip2])
        expect(records.get(hash), `round ${round}`).toMatchObject({ installed: true, explicit: true });
      expect(records.get(zlib), `round ${round}`).toMatchObject({
        installed: true,
        explicit: round % 3 === 0,
      });
      const { stdout } = await spack("find", "--format", "{hash}");
      expect(stdout.split("\n"), `round ${round}`).toEqual(
        expect.arrayContaining([greet, libgreet, bzip2, zlib]),
      );
      rmSync(root, { recursive: true });
    }
  },
  60_000 + rounds * 30_000,
);
