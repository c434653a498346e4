import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { graphOf, makePackage, storePackage } from "../../test/support/packages.js";
import { utf8 } from "../base/bytes.js";
import type { Clock } from "../base/clock.js";
import { Failure } from "../base/failure.js";
import { contentOf } from "../oci/content.js";
import { RegistryFailure } from "../oci/errors.js";
import { decodeImageManifest, encodeManifest } from "../oci/manifest.js";
import { mediaTypes } from "../oci/media-types.js";
import { createMemoryRegistry } from "../oci/memory.js";
import { parseRepositoryName, parseTag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { encodeIndex } from "./index-document.js";
import { updateIndex } from "./index-update.js";
import { ociCache, readIndex } from "./oci-cache.js";
import { indexTag, packageTag } from "./tag.js";

const clock: Clock = { now: () => 0, sleep: async () => undefined };
const options = { clock, random: () => 0.5 };

const zlib = makePackage("zlib", "1.3");
const hdf5 = makePackage("hdf5", "1.14", [zlib]);

const openRepository = (): Repository => createMemoryRegistry().repository(parseRepositoryName("cache"));

/** Counts what is asked of a repository, and lets a test come in between. */
function watched(repository: Repository, before: (what: string) => Promise<void> = async () => undefined) {
  const seen: string[] = [];
  const note = async (what: string): Promise<void> => {
    seen.push(what);
    await before(what);
  };
  const { manifests } = repository;
  const wrapped: Repository = {
    ...repository,
    manifests: {
      ...manifests,
      stat: async (reference, call) => {
        await note(`stat ${reference}`);
        return manifests.stat(reference, call);
      },
      read: async (reference, call) => {
        await note(`read ${reference}`);
        return manifests.read(reference, call);
      },
      write: async (manifest, call) => {
        await note(`write ${call?.tag}`);
        return manifests.write(manifest, call);
      },
    },
    async *tags(call) {
      await note("tags");
      yield* repository.tags(call);
    },
  };
  return { repository: wrapped, seen };
}

test("an index holds the packages, and what is only needed by them", async () => {
  const repository = openRepository();
  await storePackage(repository, graphOf(hdf5, [zlib]));
  const result = await updateIndex(ociCache(repository), options);
  expect(result).toMatchObject({ packages: 1, added: 1, dropped: 0, broken: [], written: true });
  const stored = await readIndex(repository);
  expect([...(stored?.index.present ?? [])]).toEqual([hdf5.hash]);
  expect(new Set(stored?.index.nodes.keys())).toEqual(new Set([hdf5.hash, zlib.hash]));
});

test("an empty build cache gets an empty index", async () => {
  const repository = openRepository();
  expect(await updateIndex(ociCache(repository), options)).toMatchObject({ packages: 0, written: true });
  expect(await updateIndex(ociCache(repository), options)).toMatchObject({ packages: 0, written: false });
});

test("an index that was gzipped on its way here is read, and written plain again", async () => {
  const repository = openRepository();
  await storePackage(repository, graphOf(zlib, []));
  const { digest } = await updateIndex(ociCache(repository), options);
  const stored = await readIndex(repository);
  if (stored === undefined) throw new Error("there is no index");
  const layer = contentOf(gzipSync(encodeIndex(stored.index)), mediaTypes.ociLayerGzip);
  const config = contentOf(utf8("{}"), mediaTypes.ociConfig);
  await repository.blobs.write(layer);
  await repository.manifests.write(
    encodeManifest({
      mediaType: mediaTypes.ociManifest,
      schemaVersion: 2,
      config: config.descriptor,
      layers: [layer.descriptor],
    }),
    { tag: indexTag },
  );
  expect((await readIndex(repository))?.index).toEqual(stored.index);
  expect(await updateIndex(ociCache(repository), options)).toMatchObject({ added: 0, written: true, digest });
});

test("only what is new is read, and an index that is right is not written", async () => {
  const repository = openRepository();
  await storePackage(repository, graphOf(zlib, []));
  await updateIndex(ociCache(repository), options);
  await storePackage(repository, graphOf(hdf5, [zlib]));
  const first = watched(repository);
  expect(await updateIndex(ociCache(first.repository), options)).toMatchObject({
    packages: 2,
    added: 1,
    written: true,
  });
  expect(first.seen.filter((what) => what.startsWith("read"))).toEqual([
    `read ${indexTag}`,
    `read ${packageTag(hdf5)}`,
  ]);
  const second = watched(repository);
  expect(await updateIndex(ociCache(second.repository), options)).toMatchObject({
    packages: 2,
    added: 0,
    written: false,
  });
  expect(second.seen).toEqual([`read ${indexTag}`, "tags"]);
});

test("a config tells of what its package needs: the configs of those are not read", async () => {
  const repository = openRepository();
  const top = makePackage("top", "1.0", [hdf5]);
  await storePackage(repository, graphOf(zlib, []));
  await storePackage(repository, graphOf(hdf5, [zlib]));
  await storePackage(repository, graphOf(top, [hdf5, zlib]));
  let configs = 0;
  const { blobs } = repository;
  const watching: Repository = {
    ...repository,
    blobs: {
      ...blobs,
      read(...args) {
        configs += 1;
        return blobs.read(...args);
      },
    },
  };
  expect(await updateIndex(ociCache(watching), { ...options, jobs: 1 })).toMatchObject({ packages: 3 });
  expect(configs).toBe(1);
});

test("a name that another package's config tells with another version is looked at", async () => {
  const repository = openRepository();
  await storePackage(repository, graphOf(hdf5, [zlib]));
  await storePackage(repository, graphOf(zlib, []));
  const manifest = await repository.manifests.read(packageTag(zlib));
  if (manifest === undefined) throw new Error("zlib is gone");
  await repository.manifests.delete(packageTag(zlib));
  const tag = parseTag(`zlib-9.9-${zlib.hash}.spack`);
  await repository.manifests.write(manifest, { tag });
  expect(await updateIndex(ociCache(repository), { ...options, jobs: 1 })).toMatchObject({
    packages: 1,
    broken: [{ name: tag, failure: { code: "buildcache.entry-broken" } }],
  });
});

test("what is gone is dropped, with the dependencies nobody needs any more", async () => {
  const repository = openRepository();
  await storePackage(repository, graphOf(zlib, []));
  await storePackage(repository, graphOf(hdf5, [zlib]));
  await updateIndex(ociCache(repository), options);
  await repository.manifests.delete(packageTag(zlib));
  expect(await updateIndex(ociCache(repository), options)).toMatchObject({ packages: 1, dropped: 1 });
  expect((await readIndex(repository))?.index.nodes.size).toBe(2);
  await repository.manifests.delete(packageTag(hdf5));
  expect(await updateIndex(ociCache(repository), options)).toMatchObject({ packages: 0, dropped: 1 });
  expect((await readIndex(repository))?.index.nodes.size).toBe(0);
});

test("a broken tag is left out and named, foreign tags are not looked at", async () => {
  const repository = openRepository();
  await storePackage(repository, graphOf(zlib, []));
  const config = contentOf(
    utf8('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'),
  );
  await repository.blobs.write(config);
  const image = encodeManifest({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { ...config.descriptor, mediaType: mediaTypes.ociConfig },
    layers: [],
  });
  const tag = parseTag(`odd-1.0-${"a".repeat(32)}.spack`);
  await repository.manifests.write(image, { tag });
  await repository.manifests.write(image, { tag: parseTag("latest") });
  const result = await updateIndex(ociCache(repository), options);
  expect(result.packages).toBe(1);
  expect(result.broken).toMatchObject([
    { name: tag, failure: { code: "buildcache.entry-broken", kind: "corrupt" } },
  ]);
});

test("a damaged index is built anew", async () => {
  const repository = openRepository();
  await storePackage(repository, graphOf(zlib, []));
  const layer = contentOf(utf8("{"), mediaTypes.ociLayerGzip);
  const config = contentOf(utf8("{}"), mediaTypes.ociConfig);
  await repository.blobs.write(layer);
  await repository.blobs.write(config);
  const manifest = encodeManifest({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: [layer.descriptor],
  });
  await repository.manifests.write(manifest, { tag: indexTag });
  await expect(readIndex(repository)).rejects.toMatchObject({ code: "buildcache.index-broken" });
  expect(await updateIndex(ociCache(repository), options)).toMatchObject({ packages: 1, written: true });
});

test("a registry that fails is not read as a package that is gone", async () => {
  const repository = openRepository();
  await storePackage(repository, graphOf(zlib, []));
  const failing = watched(repository, async (what) => {
    if (what === `read ${packageTag(zlib)}`) throw new Error("the network is down");
  });
  await expect(updateIndex(ociCache(failing.repository), options)).rejects.toThrow("the network is down");
});

test("a registry that refuses is no broken tag, a config that is gone is", async () => {
  const repository = openRepository();
  await storePackage(repository, graphOf(zlib, []));
  const refusing = watched(repository, async (what) => {
    if (what !== `read ${packageTag(zlib)}`) return;
    throw new RegistryFailure("unsupported", "the registry answered 413", {
      code: "registry.unexpected-answer",
      exchange: { method: "GET", url: "https://r", status: 413, requestId: undefined, errors: [] },
    });
  });
  await expect(updateIndex(ociCache(refusing.repository), options)).rejects.toMatchObject({
    code: "registry.unexpected-answer",
  });
  const manifest = await repository.manifests.read(packageTag(zlib));
  const config = manifest && decodeImageManifest(manifest).config.digest;
  if (config !== undefined) await repository.blobs.delete(config);
  expect((await updateIndex(ociCache(repository), options)).broken).toMatchObject([
    { name: packageTag(zlib), failure: { code: "oci.blob-missing" } },
  ]);
});

test("what came damaged once is asked for again", async () => {
  const repository = openRepository();
  await storePackage(repository, graphOf(zlib, []));
  let damaged = 0;
  const flaky = watched(repository, async (what) => {
    if (what !== `read ${packageTag(zlib)}` || damaged++ > 0) return;
    throw new Failure("corrupt", "it has another digest", { code: "oci.blob-corrupt" });
  });
  expect(await updateIndex(ociCache(flaky.repository), options)).toMatchObject({ packages: 1, broken: [] });
});

test("a writer that was overtaken adds what it missed", async () => {
  const repository = openRepository();
  await storePackage(repository, graphOf(zlib, []));
  let intruded = false;
  const slow = watched(repository, async (what) => {
    if (what !== `write ${indexTag}` || intruded) return;
    intruded = true;
    // Another writer pushes and writes a complete index, which ours is about to replace by an older one.
    await storePackage(repository, graphOf(hdf5, [zlib]));
    await updateIndex(ociCache(repository), options);
  });
  expect(await updateIndex(ociCache(slow.repository), options)).toMatchObject({ packages: 2 });
  expect((await readIndex(repository))?.index.present.size).toBe(2);
});

test("the loss that a killed writer leaves is repaired by one that still runs", async () => {
  const repository = openRepository();
  await storePackage(repository, graphOf(zlib, []));
  let intruded = false;
  const ours = watched(repository, async (what) => {
    if (what !== `stat ${indexTag}` || intruded) return;
    intruded = true;
    await writeStale(repository);
  });
  await updateIndex(ociCache(ours.repository), options);
  expect(intruded).toBe(true);
  expect((await readIndex(repository))?.index.present.size).toBe(1);
});

async function writeStale(repository: Repository): Promise<void> {
  const layer = contentOf(encodeIndex({ nodes: new Map(), present: new Set() }), mediaTypes.ociLayerGzip);
  const config = contentOf(utf8("{}"), mediaTypes.ociConfig);
  await repository.blobs.write(layer);
  const manifest = encodeManifest({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: [layer.descriptor],
  });
  await repository.manifests.write(manifest, { tag: indexTag });
}
