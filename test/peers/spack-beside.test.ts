import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { openStore } from "../../src/io/store/disk-store.js";
import { parseDagHash } from "../../src/spec/dag-hash.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";
import { installFrom } from "../support/install-from.js";

/** Root of a Spack 1.x; without one there is nobody beside us. */
const checkout = process.env["STOWAGE_SPACK"];
const rounds = process.env["STOWAGE_SOAK"] === undefined ? 3 : 20;
const run = promisify(execFile);
const greet = parseDagHash("fnjwovnnel7zse6f4ljr3y6budjlpyrd");
const zlib = parseDagHash("7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z");

const scratch = scratchDirectory();
afterAll(() => scratch[Symbol.dispose]());

test.skipIf(checkout === undefined || !hasShared)(
  `Spack and we change one store at the same time, ${rounds} times, and neither loses what the other did`,
  async () => {
    const at = (...path: readonly string[]) => join(scratch.path, ...path);
    const root = at("store");
    mkdirSync(at("scope"));
    writeFileSync(at("scope/config.yaml"), `config:\n  install_tree: {root: ${root}}\n`);
    const env = {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: at("home"),
      SPACK_USER_CONFIG_PATH: at("scope"),
      SPACK_SYSTEM_CONFIG_PATH: at("system"),
      SPACK_USER_CACHE_PATH: at("home"),
    };
    const spack = (...args: readonly string[]) => run(join(checkout ?? "", "bin/spack"), args, { env });
    const install = async (hash: typeof greet, overwrite: boolean) => {
      const roots = [{ hash }];
      const options = { layout: join(shared, "oci/cache"), root, cache: at("cache"), roots, overwrite };
      expect((await installFrom(options)).failed).toEqual([]);
    };
    await install(zlib, false);
    for (let round = 1; round <= rounds; round += 1) {
      const explicit = round % 2 === 0;
      // It writes the whole database, and so do we, several times in the same second.
      const marking = spack("mark", explicit ? "--explicit" : "--implicit", `/${zlib}`);
      let marked = false;
      const ended = marking.finally(() => {
        marked = true;
      });
      do await install(greet, true);
      while (!marked);
      await ended;
      const { records } = await (await openStore(root)).readDatabase();
      expect(records.get(zlib), `round ${round}`).toMatchObject({ installed: true, explicit });
      expect(records.get(greet), `round ${round}`).toMatchObject({ installed: true, explicit: true });
      const { stdout } = await spack("find", "--format", "{hash}");
      expect(stdout.split("\n"), `round ${round}`).toEqual(expect.arrayContaining([greet, zlib]));
    }
  },
  60_000 + rounds * 30_000,
);
