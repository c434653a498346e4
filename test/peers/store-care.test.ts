import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkStore, repairStore } from "../../src/install/store-check.js";
import { planCollection, planUninstall, uninstallPackages } from "../../src/install/uninstall.js";
import { verifyPrefix } from "../../src/install/verify.js";
import { installFiles } from "../../src/io/install/files.js";
import { openStore } from "../../src/io/store/disk-store.js";
import { type DagHash, parseDagHash } from "../../src/spec/dag-hash.js";
import type { Store } from "../../src/store/store.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";
import { installFrom } from "../support/install-from.js";

const greet = parseDagHash("fnjwovnnel7zse6f4ljr3y6budjlpyrd");
const zlib = parseDagHash("7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z");
const layout = join(shared, "oci/cache");
const kept = scratchDirectory();
const cache = join(kept.path, "cache");
let last = 0;
let root = "";
let store: Store;

async function freshStore(length = 40): Promise<void> {
  const path = join(kept.path, String(last++));
  root = path.padEnd(length, "r");
  const { failed } = await installFrom({ layout, root, cache, roots: [{ hash: greet }] });
  expect(failed).toEqual([]);
  store = await openStore(root);
}
const prefixOf = async (hash: DagHash) => (await store.readDatabase()).records.get(hash)?.path ?? "";
const check = async () =>
  await checkStore(await store.readDatabase(), {
    survey: await store.survey(),
    verify: async (prefix) => verifyPrefix(prefix, installFiles),
  });

beforeAll(async () => {
  if (hasShared) await freshStore();
});
afterAll(() => kept[Symbol.dispose]());

test.skipIf(!hasShared)("verify tells what Spack would tell of a changed prefix", async () => {
  await freshStore();
  const prefix = await prefixOf(greet);
  appendFileSync(join(prefix, "bin/greet-sh"), "#");
  chmodSync(join(prefix, "bin/greet-self"), 0o700);
  rmSync(join(prefix, "share/man/man1/greet.1"));
  writeFileSync(join(prefix, "new"), "");
  const found = verifyPrefix(prefix, installFiles);
  expect(found.type === "checked" && found.deviations).toEqual(
    expect.arrayContaining([
      { path: join(prefix, "bin/greet-sh"), differences: ["size", "mtime", "hash"] },
      { path: join(prefix, "bin/greet-self"), differences: ["mode"] },
      { path: join(prefix, "share/man/man1/greet.1"), differences: ["deleted"] },
      { path: join(prefix, "new"), differences: ["added"] },
    ]),
  );
});

test.skipIf(!hasShared)("a package that others need is not removed without them", async () => {
  await freshStore();
  const plan = planUninstall(await store.readDatabase(), [zlib]);
  await expect(uninstallPackages(plan, store)).rejects.toMatchObject({
    code: "store.needed",
    message: expect.stringContaining("libgreet@1.4.2/dliq6qb"),
  });
  expect(existsSync(await prefixOf(zlib))).toBe(true);
  const prefix = await prefixOf(zlib);
  await uninstallPackages(planUninstall(await store.readDatabase(), [zlib], { dependents: true }), store);
  const { records } = await store.readDatabase();
  expect(
    [...records.values()].filter(({ installed }) => installed).map(({ spec }) => spec.name),
  ).not.toContain("greet");
  expect(existsSync(prefix)).toBe(false);
});

test.skipIf(!hasShared)(
  "what nothing explicit needs is collected, aliases with it; the rest stays whole",
  async () => {
    await freshStore(70);
    expect(readdirSync(join(root, ".a")).length).toBeGreaterThan(0);
    expect(planCollection(await store.readDatabase()).removed).toEqual([]);
    await uninstallPackages(planUninstall(await store.readDatabase(), [greet]), store);
    expect((await check()).problems).toEqual([]);
    await uninstallPackages(planCollection(await store.readDatabase()), store);
    expect(readdirSync(join(root, "linux-x86_64"))).toEqual([]);
    expect(readdirSync(join(root, ".a"))).toEqual([]);
    const { records } = await store.readDatabase();
    expect([...records.values()].filter(({ spec }) => spec.external === undefined)).toEqual([]);
  },
);

test.skipIf(!hasShared)(
  "a store is checked against its disk, mended, and completed by the next install",
  async () => {
    await freshStore();
    expect(await check()).toMatchObject({ packages: 6, problems: [] });
    rmSync(await prefixOf(zlib), { recursive: true });
    const report = await check();
    expect(report.problems).toEqual([expect.objectContaining({ type: "prefix-missing", hash: zlib })]);
    expect(await repairStore(report, store)).toEqual([]);
    expect((await check()).problems.map(({ type }) => type)).toEqual(["dependency-missing"]);
    const { installed } = await installFrom({ layout, root, cache, roots: [{ hash: greet }] });
    expect(installed.map(({ spec }) => spec.hash)).toEqual([zlib]);
    expect((await check()).problems).toEqual([]);
  },
);

test.skipIf(!hasShared)(
  "what killed processes left on the disk is told, and what is ours is cleared",
  async () => {
    await freshStore(70);
    expect((await check()).problems).toEqual([]);
    const abandoned = join(root, ".stowage-staging", "0123456789abcd");
    mkdirSync(join(abandoned, "0"), { recursive: true });
    symlinkSync(join(root, "gone"), join(root, ".a", "aaaaaaa"));
    await store.updateDatabase(({ version, records }) => ({
      version,
      records: new Map([...records].filter(([hash]) => hash !== greet)),
    }));
    const report = await check();
    expect(report.problems.map(({ type }) => type).toSorted()).toEqual([
      "alias-broken",
      "alias-broken",
      "prefix-unknown",
      "staging-abandoned",
    ]);
    expect((await repairStore(report, store)).map(({ type }) => type)).toEqual(["prefix-unknown"]);
    expect(existsSync(abandoned)).toBe(false);
    expect((await check()).problems.map(({ type }) => type)).toEqual(["prefix-unknown"]);
  },
);

test.skipIf(!hasShared)("a prefix that nobody knows is refused, and replaced only when told to", async () => {
  await freshStore();
  const prefix = await prefixOf(greet);
  await store.updateDatabase((database) => {
    const records = new Map(database.records);
    records.delete(greet);
    return { ...database, records };
  });
  appendFileSync(join(prefix, "bin/greet-sh"), "#");
  const options = { layout, root, cache, roots: [{ hash: greet }] };
  const { failed } = await installFrom(options);
  expect(failed).toMatchObject([{ failure: { code: "store.prefix-exists", subject: prefix } }]);
  const { installed } = await installFrom({ ...options, overwrite: true });
  expect(installed.map(({ spec }) => spec.hash)).toEqual([greet]);
  expect((await check()).problems).toEqual([]);
});

test.skipIf(!hasShared)(
  "a damaged blob in the cache is fetched again; one that stays damaged is named",
  async () => {
    const damaged = join(kept.path, "damaged");
    const elsewhere = join(kept.path, `elsewhere-${last++}`);
    await installFrom({ layout, root: elsewhere, cache: damaged, roots: [{ hash: greet }] });
    for (const name of readdirSync(join(damaged, "blobs/sha256"))) {
      const path = join(damaged, "blobs/sha256", name);
      const fd = installFiles.update(path);
      fd.write(Uint8Array.of(1, 2, 3), 40);
      fd.close();
    }
    rmSync(elsewhere, { recursive: true });
    const { failed, installed } = await installFrom({
      layout,
      root: elsewhere,
      cache: damaged,
      roots: [{ hash: greet }],
    });
    expect(failed).toEqual([]);
    expect(installed).toHaveLength(6);
  },
);
