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

const greet = "fnjwovnnel7zse6f4ljr3y6budjlpyrd";
const layout = join(shared, "oci/cache");
const kills = process.env["STOWAGE_SOAK"] === undefined ? 6 : 200;

let program = "";
beforeAll(async () => {
  program = await buildInstallProgram();
});
afterAll(() => rmSync(program, { force: true }));

/** Runs an install until it ends, or is killed `after` milliseconds from its start; returns how long it took. */
async function run(root: string, cache: string, after?: number): Promise<number> {
  const child = spawn(process.execPath, [program, layout, root, cache, greet], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  await Promise.race([once(child.stdout, "data"), ended]);
  expect(child.exitCode, "the install did not start").toBeNull();
  const start = performance.now();
  child.stdout.resume();
  if (after !== undefined) await Promise.race([sleep(after), ended]).then(() => child.kill("SIGKILL"));
  await ended;
  return performance.now() - start;
}

/** Numbers in [0, 1) that a seed gives (mulberry32). */
function randomOf(seed: number): number {
  let value = (seed * 0x6d2b79f5) | 0;
  value = Math.imul(value ^ (value >>> 15), value | 1);
  value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
  return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
}

/** What is visible is whole: each record's prefix, and each prefix, recorded or not. */
async function expectWhole(root: string): Promise<void> {
  const { records } = await (await openStore(root)).readDatabase();
  const packages = join(root, "linux-x86_64");
  const prefixes = existsSync(packages) ? readdirSync(packages).map((name) => join(packages, name)) : [];
  const recorded = [...records.values()].filter(({ spec, installed }) => installed && !spec.external);
  for (const prefix of new Set([...prefixes, ...recorded.map(({ path }) => path ?? "")]))
    expect(verifyPrefix(prefix, installFiles), prefix).toMatchObject({ type: "checked", deviations: [] });
}

test.skipIf(!hasShared)(
  `an install that is killed at any of ${kills} moments leaves nothing half done, and the next completes`,
  async () => {
    using scratch = scratchDirectory();
    const duration = await run(join(scratch.path, "whole"), join(scratch.path, "cache-whole"));
    let interrupted = 0;
    for (let seed = 1; seed <= kills; seed += 1) {
      const root = join(scratch.path, `store-${seed}`);
      // Every third time with an empty cache, so that downloads are cut off, too.
      const cache = join(scratch.path, seed % 3 === 0 ? `cache-${seed}` : "cache-whole");
      await run(root, cache, randomOf(seed) * duration);
      await expectWhole(root);
      const options = { layout, root, cache, roots: [{ hash: parseDagHash(greet) }] };
      const { failed, installed } = await installFrom(options);
      expect(failed, `seed ${seed}`).toEqual([]);
      if (installed.length > 0) interrupted += 1;
      await expectWhole(root);
      const { records } = await (await openStore(root)).readDatabase();
      expect(records.get(parseDagHash(greet)), `seed ${seed}`).toMatchObject({
        installed: true,
        explicit: true,
      });
      expect(
        existsSync(join(root, ".stowage-staging")) ? readdirSync(join(root, ".stowage-staging")) : ["lock"],
      ).toEqual(["lock"]);
      rmSync(root, { recursive: true });
    }
    expect(interrupted).toBeGreaterThan(kills / 3);
  },
  60_000 + kills * 5_000,
);
