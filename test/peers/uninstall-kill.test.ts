import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyPrefix } from "../../src/install/verify.js";
import { installFiles } from "../../src/io/install/files.js";
import { openStore } from "../../src/io/store/disk-store.js";
import { parseDagHash } from "../../src/spec/dag-hash.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";
import { installFrom } from "../support/install-from.js";
import { buildInstallProgram } from "../support/install-program.js";
import { seeded } from "../support/seeded.js";

const greet = parseDagHash("fnjwovnnel7zse6f4ljr3y6budjlpyrd");
const layout = join(shared, "oci/cache");
const kills = process.env["STOWAGE_SOAK"] === undefined ? 8 : 200;

let program = "";
beforeAll(async () => {
  program = await buildInstallProgram("uninstall-child");
});
afterAll(() => rmSync(program, { force: true }));

/** Uninstalls everything, or until it is killed `after` milliseconds; returns how long it took. */
async function run(root: string, home: string, after?: number): Promise<number> {
  const child = spawn(process.execPath, [program, root, home], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  await Promise.race([once(child.stdout, "data"), ended]);
  const start = performance.now();
  child.stdout.resume();
  if (after !== undefined) await Promise.race([sleep(after), ended]).then(() => child.kill("SIGKILL"));
  await ended;
  return performance.now() - start;
}

test.skipIf(!hasShared)(
  `an uninstall that is killed at any of ${kills} moments leaves no half prefix, and the next install completes`,
  async () => {
    using scratch = scratchDirectory();
    const install = (root: string) =>
      installFrom({ layout, root, cache: join(scratch.path, "cache"), roots: [{ hash: greet }] });
    await install(join(scratch.path, "whole"));
    const duration = await run(join(scratch.path, "whole"), scratch.path);
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= kills; seed += 1) {
      const root = join(scratch.path, `store-${seed}`);
      await install(root);
      await run(root, scratch.path, seeded(seed)() * duration);

      const { records } = await (await openStore(root)).readDatabase();
      const packages = join(root, "linux-x86_64");
      const left = existsSync(packages) ? readdirSync(packages).map((name) => join(packages, name)) : [];
      const recorded = [...records.values()].filter(({ spec, installed }) => installed && !spec.external);
      for (const prefix of new Set([...left, ...recorded.map(({ path }) => path ?? "")]))
        expect(verifyPrefix(prefix, installFiles), `seed ${seed}: ${prefix}`).toMatchObject({
          type: "checked",
          deviations: [],
        });
      outcomes.add(`${recorded.length} recorded, ${left.length} left`);

      const { failed } = await install(root);
      expect(failed, `seed ${seed}`).toEqual([]);
      const after = await (await openStore(root)).readDatabase();
      expect(
        [...after.records.values()].filter(({ spec, installed }) => installed && !spec.external),
      ).toHaveLength(6);
      rmSync(root, { recursive: true });
    }
    // Some were killed before they changed anything, some in between or after.
    expect([...outcomes].length).toBeGreaterThan(1);
  },
  60_000 + kills * 5_000,
);
