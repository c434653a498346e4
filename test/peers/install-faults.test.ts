import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageTags } from "../../src/buildcache/oci-cache.js";
import { verifyPrefix } from "../../src/install/verify.js";
import { installFiles } from "../../src/io/install/files.js";
import { openLayout } from "../../src/io/registry/layout.js";
import { openStore } from "../../src/io/store/disk-store.js";
import { copy } from "../../src/oci/copy.js";
import { parseDagHash } from "../../src/spec/dag-hash.js";
import { openTestClient } from "../support/client.js";
import type { Fault } from "../support/faults.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";
import { installFrom } from "../support/install-from.js";
import { startRegistry } from "../support/registry.js";
import { seeded } from "../support/seeded.js";

const runs = process.env["STOWAGE_SOAK"] === undefined ? 8 : 200;
const greet = parseDagHash("fnjwovnnel7zse6f4ljr3y6budjlpyrd");

const faults: readonly Fault[] = [
  "reset",
  "reset-after",
  "corrupt",
  { status: 500 },
  { status: 503, headers: { "Retry-After": "1" } },
  { status: 404, body: "{}" },
  { cutDownload: 700 },
  { shorten: 3 },
];

const scratch = scratchDirectory();
let choose: () => Fault | undefined = () => undefined;
const registry = await startRegistry({ fault: () => choose() });
afterAll(async () => {
  await registry.close();
  scratch[Symbol.dispose]();
});
beforeAll(async () => {
  if (!hasShared) return;
  await using client = openTestClient(registry.url);
  const layout = await openLayout(join(shared, "oci/cache"));
  for (const tag of (await packageTags(layout)).values())
    await copy(layout, client.open("cache"), { reference: tag, tag });
});

async function run(name: string) {
  await using client = openTestClient(registry.url);
  const root = join(scratch.path, name);
  const cache = join(scratch.path, `${name}-cache`);
  return await installFrom({ layout: client.open("cache"), root, cache, roots: [{ hash: greet }] });
}

/** What stands in the store is whole, and all of it is recorded. */
async function expectWhole(name: string): Promise<void> {
  const root = join(scratch.path, name);
  const folder = join(root, "linux-x86_64");
  const prefixes = existsSync(folder) ? readdirSync(folder).map((one) => join(folder, one)) : [];
  const { records } = await (await openStore(root)).readDatabase();
  const recorded = [...records.values()].filter(({ installed, spec }) => installed && !spec.external);
  expect(recorded.map(({ path }) => path).sort()).toEqual(prefixes.sort());
  for (const prefix of prefixes)
    expect(verifyPrefix(prefix, installFiles), prefix).toMatchObject({ type: "checked", deviations: [] });
  const staging = join(root, ".stowage-staging");
  expect(existsSync(staging) ? readdirSync(staging) : ["lock"]).toEqual(["lock"]);
}

test.skipIf(!hasShared)(
  `an install that a registry disturbs, ${runs} times at random, is whole as far as it came, and the next completes`,
  async () => {
    let disturbed = 0;
    for (let seed = 1; seed <= runs; seed += 1) {
      const random = seeded(seed);
      // From single faults, which a retry mends, to a registry that hardly works.
      const rate = random() ** 2;
      choose = () => (random() < rate ? faults[Math.floor(random() * faults.length)] : undefined);
      const name = `store-${seed}`;
      const first = await run(name).catch((error: unknown) => error);
      choose = () => undefined;
      if (first instanceof Error) {
        expect(first, `seed ${seed}`).toMatchObject({ kind: expect.any(String), code: expect.any(String) });
        disturbed += 1;
      } else await expectWhole(name);
      expect((await run(name)).failed, `seed ${seed}`).toEqual([]);
      await expectWhole(name);
      for (const one of [name, `${name}-cache`])
        rmSync(join(scratch.path, one), { recursive: true, force: true });
    }
    expect(disturbed).toBeGreaterThan(0);
  },
  60_000 + runs * 5_000,
);
