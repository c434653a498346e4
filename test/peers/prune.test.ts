import { describe, expect, test } from "vitest";
import { updateIndex } from "../../src/buildcache/index-update.js";
import { ociCache } from "../../src/buildcache/oci-cache.js";
import { prune } from "../../src/buildcache/prune.js";
import { packageTag } from "../../src/buildcache/tag.js";
import { openLayout } from "../../src/io/registry/layout.js";
import { systemClock } from "../../src/io/system/clock.js";
import type { Repository } from "../../src/oci/repository.js";
import { openTestClient } from "../support/client.js";
import { scratchDirectory } from "../support/fixtures.js";
import { graphOf, makePackage, storePackage } from "../support/packages.js";
import { missingProgram, startDockerRegistry } from "../support/peers.js";
import { startRegistry } from "../support/registry.js";

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
