import { cpSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkIndex, install, list, pruneMirror } from "../../src/index.js";
import { updateIndex } from "../../src/buildcache/index-update.js";
import { ociCache } from "../../src/buildcache/oci-cache.js";
import { prune } from "../../src/buildcache/prune.js";
import { packageTag } from "../../src/buildcache/tag.js";
import { openLayout } from "../../src/io/registry/layout.js";
import { systemClock } from "../../src/io/system/clock.js";
import type { Repository } from "../../src/oci/repository.js";
import { openTestClient } from "../support/client.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";
import { graphOf, makePackage, storePackage } from "../support/packages.js";
import { pushingMachine } from "../support/push.js";
import { missingProgram, startDockerRegistry } from "../support/peers.js";
import { startRegistry } from "../support/registry.js";
import { startS3 } from "../support/s3.js";

const missing = missingProgram("docker-registry");
if (missing !== undefined) console.warn(`skipped: ${missing}`);

const zlib = makePackage("zlib", "1.3");
const hdf5 = makePackage("hdf5", "1.14", [zlib]);
const python = makePackage("python", "3.11", [zlib]);
const options = { clock: systemClock, random: Math.random, jobs: 4 };

async function tagsOf(repository: Repository): Promise<readonly string[]> {
  const tags: string[] = [];
  for await (const tag of repository.tags()) tags.push(tag);
  return tags.sort();
}

/** The same on all kinds of repositories. */
async function pruned(repository: Repository, deleteBlobs = false): Promise<void> {
  for (const spec of [zlib, hdf5, python]) await storePackage(repository, graphOf(spec, [zlib]));
  await updateIndex(ociCache(repository), options);
  const result = await prune(repository, { ...options, deleteBlobs, roots: new Set([hdf5.hash]) });
  expect(result.removed.map(({ tag }) => tag)).toEqual([packageTag(python)]);
  expect(await tagsOf(repository)).toEqual(["index.spack", packageTag(zlib), packageTag(hdf5)].sort());
  expect(result.index).toMatchObject({ packages: 2 });
  for (const { digest } of result.removed[0]?.blobs ?? [])
    expect((await repository.blobs.stat(digest)) === undefined, "whether blobs go").toBe(deleteBlobs);
  const again = await prune(repository, { ...options, deleteBlobs, roots: new Set([hdf5.hash]) });
  expect(again).toMatchObject({ removed: [], companions: 0, bytes: 0 });
}

test("our own registry", async () => {
  await using registry = await startRegistry();
  await using client = openTestClient(registry.url);
  await pruned(client.open("cache"));
});

describe.skipIf(missing !== undefined)("docker-registry", () => {
  test("that deletes", async () => {
    await using registry = await startDockerRegistry();
    await using client = openTestClient(registry.url);
    await pruned(client.open("cache"));
  });

  test("that does not delete: nothing is changed, and it says what to do", async () => {
    await using registry = await startDockerRegistry({ deletes: false });
    await using client = openTestClient(registry.url);
    const repository = client.open("cache");
    for (const spec of [zlib, python]) await storePackage(repository, graphOf(spec, [zlib]));
    const { digest } = await updateIndex(ociCache(repository), options);
    const tags = await tagsOf(repository);
    await expect(prune(repository, { ...options, roots: new Set([zlib.hash]) })).rejects.toMatchObject({
      code: "buildcache.prune-unsupported",
      hint: expect.stringContaining("REGISTRY_STORAGE_DELETE_ENABLED"),
    });
    expect(await tagsOf(repository)).toEqual(tags);
    expect(await updateIndex(ociCache(repository), options)).toMatchObject({ written: false, digest });
  });
});

test("a layout on disk, whose blobs go, too", async () => {
  using scratch = scratchDirectory();
  await pruned(await openLayout(scratch.path, { create: true }), true);
});

/** Uses mirrors of files as somebody who has no configuration. */
function machine() {
  const scratch = scratchDirectory();
  const home = join(scratch.path, "home");
  const env = { SPACK_USER_CONFIG_PATH: join(home, "spack"), SPACK_SYSTEM_CONFIG_PATH: join(home, "system") };
  return {
    path: scratch.path,
    options: { home, env, store: join(scratch.path, "store"), jobs: 2, checkSignature: false },
    [Symbol.dispose]: () => scratch[Symbol.dispose](),
  };
}

describe.skipIf(!hasShared)("what Spack wrote", () => {
  test.each(["mirror-v3-unsigned", "mirror-v3-signed"])("%s: a leaf keeps what it needs", async (name) => {
    using here = machine();
    const mirror = join(here.path, "mirror");
    cpSync(join(shared, name), mirror, { recursive: true });
    const { packages } = await list({ ...here.options, mirror });
    const libgreet = packages.find(({ spec }) => spec.name === "libgreet")?.spec.hash ?? "";
    const keepList = join(here.path, "keep");
    writeFileSync(keepList, `/${libgreet}\n`);
    const result = await pruneMirror(mirror, { ...here.options, keepList });
    expect(result.removed.map((one) => one.name)).toContain("greet");
    expect(result.index).toMatchObject({ packages: packages.length - result.removed.length });
    expect(await checkIndex(mirror, { ...here.options, blobs: true })).toMatchObject({
      missing: [],
      unindexed: [],
      broken: [],
    });
    await install([`/${libgreet}`], { ...here.options, mirror });
    // The index of before is nobody's now, and goes by its age.
    const blobs = join(mirror, "blobs");
    const past = new Date(Date.now() - 7 * 86_400_000);
    for (const path of readdirSync(blobs, { recursive: true, encoding: "utf8" }))
      if (statSync(join(blobs, path)).isFile()) utimesSync(join(blobs, path), past, past);
    const last = await pruneMirror(mirror, here.options);
    expect(last).toMatchObject({ removed: [], orphans: [], kept: packages.length - result.removed.length });
    expect(await pruneMirror(mirror, here.options)).toMatchObject({ blobs: 0, bytes: 0 });
  });

  test("layout 2 is refused", async () => {
    using here = machine();
    await expect(pruneMirror(join(shared, "mirror-v2-023"), here.options)).rejects.toMatchObject({
      code: "buildcache.prune-old-layout",
    });
  });
});

test("a bucket, by as many requests as the documentation tells", async () => {
  const account = { bucket: "cache", accessKeyId: "AKID", secretAccessKey: "secret" };
  await using server = await startS3(account);
  using here = machine();
  const { options } = here;
  const env = {
    ...options.env,
    AWS_ACCESS_KEY_ID: account.accessKeyId,
    AWS_SECRET_ACCESS_KEY: account.secretAccessKey,
    AWS_ENDPOINT_URL: server.endpoint,
  };
  const mirror = "s3://cache/mirror";
  using pushed = pushingMachine();
  await pushed.push(mirror, { specs: ["greet"], env, unsigned: true, updateIndex: true });
  const { packages } = await list({ ...options, env, mirror });
  const keepList = join(here.path, "keep");
  writeFileSync(keepList, `${packages.find(({ spec }) => spec.name === "zlib")?.spec.hash}`);
  const counted = async (dryRun: boolean) => {
    server.requests.length = 0;
    const result = await pruneMirror(mirror, { ...options, env, keepList, dryRun });
    const of = (pattern: RegExp): number => server.requests.filter((line) => pattern.test(line)).length;
    return { result, lists: of(/^GET \/cache\/?$/), reads: of(/^GET .*\/mirror\//), deletes: of(/^DELETE/) };
  };
  const n = packages.length;
  expect(await counted(true)).toMatchObject({ lists: 2, reads: 2 * n + 1, deletes: 0 });
  const { result, ...counts } = await counted(false);
  const r = result.removed.length;
  expect(r).toBeGreaterThan(0);
  expect(result).toMatchObject({ blobs: 2 * r });
  expect(counts).toEqual({ lists: 9, reads: 2 * n + r + 7, deletes: 3 * r });
});
