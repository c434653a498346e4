import { expect, test } from "vitest";
import { changingObjects, type MemoryObjects, memoryObjects } from "../../test/support/memory-objects.js";
import { graphOf, makePackage } from "../../test/support/packages.js";
import { utf8 } from "../base/bytes.js";
import type { Clock } from "../base/clock.js";
import { contentOf } from "../oci/content.js";
import { mediaTypes } from "../oci/media-types.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { encodeIndex, restrictIndex } from "./index-document.js";
import { updateIndex } from "./index-update.js";
import type { ObjectStore } from "./object-store.js";
import { publishKeys, readPublishedKeys } from "./published-keys.js";
import { objectOf, urlCache } from "./url-cache.js";
import { blobPath, specManifestPath } from "./url-layout-v3.js";
import { type FilePruneOptions, pruneFiles } from "./url-prune.js";

const day = 86_400_000;
let now = 0;
const clock: Clock = { now: () => now, sleep: async () => undefined };
const options = { clock, random: () => 0.5, jobs: 1, grace: day };

const zlib = makePackage("zlib", "1.3");
const older = makePackage("zlib", "1.2");
const hdf5 = makePackage("hdf5", "1.14", [zlib]);
const python = makePackage("python", "3.11", [older]);
const numpy = makePackage("numpy", "1.26", [python, older]);
const all = [zlib, older, hdf5, python, numpy];
const fingerprint = "A".repeat(40);

const tarballOf = (spec: ConcreteSpec) => contentOf(utf8(`tarball of ${spec.hash}`), mediaTypes.ociLayerGzip);

async function pushOne(store: ObjectStore, spec: ConcreteSpec, known = all): Promise<void> {
  const cache = urlCache(store);
  const tarball = tarballOf(spec);
  await cache.blobs.write(tarball);
  await cache.write({ graph: graphOf(spec, known), layer: tarball.descriptor });
}

/** Packages pushed ten days ago, with an index, a view of two of them, and a key. */
async function filled(): Promise<MemoryObjects> {
  now = 0;
  const store = memoryObjects(() => now);
  for (const spec of all) await pushOne(store, spec);
  await updateIndex(urlCache(store), options);
  const index = (await urlCache(store).index.read())?.index;
  const some = restrictIndex(index?.nodes ?? new Map(), new Set([hdf5.hash, numpy.hash]));
  await urlCache(store, { view: "some/view" }).index.write(encodeIndex(some));
  await publishKeys(store, new Map([[fingerprint, utf8("a key")]]), { updateIndex: true });
  now = 10 * day;
  return store;
}

const keeping = (...specs: readonly ConcreteSpec[]): Pick<FilePruneOptions, "roots"> => ({
  roots: new Set(specs.map(({ hash }) => hash)),
});
const pathsFor = (...specs: readonly ConcreteSpec[]): readonly string[] => specs.map(specManifestPath).sort();
const manifestsIn = ({ content }: MemoryObjects): readonly string[] =>
  [...content.keys()].filter((path) => path.startsWith("v3/manifests/spec/")).sort();
const blobsIn = ({ content }: MemoryObjects): readonly string[] =>
  [...content.keys()].filter((path) => path.startsWith("blobs/")).sort();
const blobOf = (spec: ConcreteSpec): string => blobPath(tarballOf(spec).descriptor.digest);

async function indexed(store: ObjectStore, view?: string): Promise<readonly string[]> {
  const { present } = (await urlCache(store, { view }).index.read())?.index ?? { present: new Set() };
  return pathsFor(...all.filter(({ hash }) => present.has(hash)));
}

/** Whether all that is there can be used. */
async function assertWhole(store: MemoryObjects, when = ""): Promise<void> {
  const cache = urlCache(store);
  const there = manifestsIn(store);
  for (const path of there) expect(await cache.holds(path), `${path} ${when}`).toBe(true);
  for (const view of [undefined, "some/view"])
    for (const path of await indexed(store, view))
      expect(there, `the index names it ${when}`).toContain(path);
  for (const spec of all)
    if (there.includes(specManifestPath(spec)))
      for (const node of graphOf(spec, all).nodes.values())
        if ([...graphOf(spec, all).roots, ...spec.dependencies.map(({ hash }) => hash)].includes(node.hash))
          expect(there, `${spec.name} needs it ${when}`).toContain(specManifestPath(node));
  expect(await readPublishedKeys(store), when).toHaveLength(1);
}

test("a kept package keeps what it needs; all else goes, its blobs too, and the indices say so", async () => {
  const store = await filled();
  const result = await pruneFiles(store, { ...options, ...keeping(hdf5) });
  expect(result.removed.map(({ manifest }) => manifest.path).sort()).toEqual(pathsFor(older, python, numpy));
  expect(result).toMatchObject({ kept: 2, restored: [], broken: [], orphans: [] });
  expect(result.index).toMatchObject({ packages: 2, dropped: 3, written: true });
  expect(manifestsIn(store)).toEqual(pathsFor(zlib, hdf5));
  expect(await indexed(store)).toEqual(pathsFor(zlib, hdf5));
  expect(await indexed(store, "some/view")).toEqual(pathsFor(hdf5));
  for (const spec of [older, python, numpy]) expect(blobsIn(store)).not.toContain(blobOf(spec));
  await assertWhole(store);
});

test("a dry run changes nothing and counts the same", async () => {
  const store = await filled();
  const untouched = changingObjects(store, async (_, what) => {
    throw new Error(what);
  });
  const planned = await pruneFiles(untouched, { ...options, ...keeping(hdf5), dryRun: true });
  const before = new Map(store.content);
  const { index: _, ...done } = await pruneFiles(store, { ...options, ...keeping(hdf5) });
  expect({ ...planned, index: undefined }).toEqual({ ...done, index: undefined });
  const lost = [...before].filter(([path]) => !store.content.has(path));
  expect(done.blobs).toBe(6);
  expect(done.bytes).toBe(lost.reduce((sum, [, { bytes }]) => sum + bytes.byteLength, 0));
});

test("without a rule only old blobs go that nothing names", async () => {
  const store = await filled();
  const before = [...store.content.keys()];
  await store.write("blobs/sha256/aa/README", objectOf(utf8("somebody's own")));
  const names = ["a".repeat(64), "b".repeat(64)].map((hex) => `blobs/sha256/${hex.slice(0, 2)}/${hex}`);
  const [old = "", fresh = ""] = names;
  now = 5 * day;
  await store.write(old, objectOf(utf8("left behind")));
  now = 10 * day;
  await store.write(fresh, objectOf(utf8("half of a push")));
  expect(await pruneFiles(store, options)).toMatchObject({
    removed: [],
    orphans: [],
    kept: 5,
    blobs: 1,
    bytes: 11,
  });
  expect([...store.content.keys()].sort()).toEqual([...before, "blobs/sha256/aa/README", fresh].sort());
  expect(await pruneFiles(store, { ...options, grace: 0 })).toMatchObject({ blobs: 1 });
  await assertWhole(store);
});

test("without a rule manifests go whose blobs are not there, unless they are new, or a listing left them out", async () => {
  const store = await filled();
  store.content.delete(blobOf(numpy));
  const blind = {
    ...store,
    objects: (folder: string) =>
      folder === "blobs/" ? memoryObjects(() => 0).objects(folder) : store.objects(folder),
  };
  expect((await pruneFiles(blind, { ...options, dryRun: true })).orphans).toEqual(pathsFor(numpy));
  expect((await pruneFiles(store, { ...options, grace: 11 * day })).orphans).toEqual([]);
  const result = await pruneFiles(store, options);
  expect(result).toMatchObject({ removed: [], orphans: pathsFor(numpy), kept: 4, blobs: 1 });
  expect(await indexed(store)).toEqual(pathsFor(zlib, older, hdf5, python));
  expect(await indexed(store, "some/view")).toEqual(pathsFor(hdf5));
  await assertWhole(store);
});

test("where all blobs are missing nothing goes: somebody moved them", async () => {
  const store = await filled();
  for (const spec of all) store.content.delete(blobOf(spec));
  await expect(pruneFiles(store, options)).rejects.toMatchObject({ code: "buildcache.prune-nothing-kept" });
  expect(manifestsIn(store)).toEqual(pathsFor(...all));
});

test("what is damaged, or newer than this, keeps all that it may name", async () => {
  const store = await filled();
  const path = specManifestPath(numpy);
  const { bytes } = store.content.get(path) ?? { bytes: new Uint8Array() };
  store.content.set(path, { bytes: bytes.subarray(0, -5), writtenAt: 0 });
  const other = "c".repeat(64);
  await store.write(`blobs/blake3/cc/${other}`, objectOf(utf8("of the future")));
  await store.write(
    "v3/manifests/sbom/x.manifest.json",
    objectOf(utf8(`{"version": 4, "blob": "${other}"}`)),
  );
  now += 3 * day;
  const result = await pruneFiles(store, { ...options, ...keeping(hdf5) });
  expect(result.broken.map(({ name }) => name)).toEqual([path]);
  expect(result.removed.map(({ spec }) => spec.hash).sort()).toEqual([older.hash, python.hash].sort());
  expect(blobsIn(store)).toContain(blobOf(numpy));
  expect(blobsIn(store)).toContain(`blobs/blake3/cc/${other}`);
});

test("rules add up: the last of each name, what was pushed since, and those that are named", async () => {
  const store = await filled();
  now = 9 * day;
  const loner = makePackage("zlib", "1.1");
  await pushOne(store, loner);
  now = 10 * day;
  await pruneFiles(store, { ...options, since: 8 * day, ...keeping(hdf5) });
  expect(manifestsIn(store)).toEqual(pathsFor(hdf5, zlib, loner));
  await pruneFiles(store, { ...options, last: 1 });
  expect(manifestsIn(store)).toEqual(pathsFor(hdf5, zlib, loner));
  now = 20 * day;
  await pushOne(store, zlib);
  await pruneFiles(store, { ...options, last: 1 });
  expect(manifestsIn(store)).toEqual(pathsFor(hdf5, zlib, loner));
});

test("rules that keep nothing are refused", async () => {
  const store = await filled();
  await expect(pruneFiles(store, { ...options, ...keeping(makePackage("stranger")) })).rejects.toMatchObject({
    code: "buildcache.prune-nothing-kept",
  });
  expect(manifestsIn(store)).toEqual(pathsFor(...all));
});

test("what holds no layout 3 is refused, each by its own name", async () => {
  const store = memoryObjects(() => 0);
  await expect(pruneFiles(store, options)).rejects.toMatchObject({ code: "mirror.missing" });
  await store.write("build_cache/index.json", objectOf(utf8("{}")));
  await expect(pruneFiles(store, options)).rejects.toMatchObject({
    code: "buildcache.prune-old-layout",
    hint: expect.stringContaining("buildcache migrate"),
  });
  await expect(pruneFiles({ ...store, list: undefined, objects: undefined }, options)).rejects.toMatchObject({
    code: "mirror.read-only",
  });
});

test("what is pushed while it runs keeps what it needs, or is told", async () => {
  const scipy = makePackage("scipy", "1.11", [numpy, python, older]);
  for (let at = 0, changed = true; changed; at += 1) {
    const store = await filled();
    changed = false;
    const racing = changingObjects(store, async (n) => {
      if (n !== at) return;
      changed = true;
      await pushOne(store, scipy, [...all, scipy]);
    });
    const { removed, restored, broken } = await pruneFiles(racing, { ...options, ...keeping(hdf5) });
    if (!changed) break;
    const there = manifestsIn(store);
    expect(there).toContain(specManifestPath(scipy));
    if (removed.length === 0) expect(there).toEqual(pathsFor(...all, scipy));
    // Once the last look is behind, a push is too late to be seen.
    else expect(at, "changes before the last look").toBeGreaterThan(6);
    if (restored.length > 0) expect(removed).toEqual([]);
    expect(broken).toEqual([]);
    await assertWhole(store, `pushed before change ${at}`).catch((error: unknown) => {
      if (removed.length === 0) throw error;
    });
  }
});

test("what is pushed again with --force meanwhile stays", async () => {
  const store = await filled();
  const racing = changingObjects(store, async (n) => {
    if (n !== 2) return;
    const other = contentOf(utf8("another tarball"), mediaTypes.ociLayerGzip);
    await urlCache(store).blobs.write(other);
    await urlCache(store).write({ graph: graphOf(numpy, all), layer: other.descriptor }, { force: true });
  });
  const { removed } = await pruneFiles(racing, { ...options, ...keeping(hdf5) });
  expect(removed).toEqual([]);
  expect(await indexed(store)).toEqual(pathsFor(...all));
  expect(await indexed(store, "some/view")).toEqual(pathsFor(hdf5, numpy));
  await assertWhole(store);
});

test("a push that counted on a blob in the moment that it went is told", async () => {
  const store = await filled();
  const racing = changingObjects(store, async (_, what) => {
    // It saw the blob just before.
    if (what !== `delete ${blobOf(python)}`) return;
    await pushOne(store, python);
  });
  const { broken } = await pruneFiles(racing, { ...options, ...keeping(hdf5) });
  expect(broken).toMatchObject([
    { name: specManifestPath(python), failure: { code: "buildcache.prune-raced" } },
  ]);
});

test("killed at any change, an index names only what is there, that has what it needs, and running again ends it", async () => {
  class Killed extends Error {}
  for (let at = 0; ; at += 1) {
    const store = await filled();
    const dying = changingObjects(store, async (n) => {
      if (n >= at) throw new Killed();
    });
    const run = { ...options, ...keeping(hdf5) };
    const ended = await pruneFiles(dying, run).then(
      () => true,
      (error: unknown) => {
        if (error instanceof Killed) return false;
        throw error;
      },
    );
    await assertWhole(store, `killed before change ${at}`);
    for (const path of pathsFor(hdf5, zlib)) expect(manifestsIn(store), `after change ${at}`).toContain(path);
    await pruneFiles(store, run);
    now += 2 * day;
    // Blobs whose manifests went before the end are nobody's now, and go by their age.
    await pruneFiles(store, run);
    expect(manifestsIn(store)).toEqual(pathsFor(zlib, hdf5));
    expect(await indexed(store)).toEqual(pathsFor(zlib, hdf5));
    expect(await indexed(store, "some/view")).toEqual(pathsFor(hdf5));
    for (const spec of [older, python, numpy]) expect(blobsIn(store)).not.toContain(blobOf(spec));
    await assertWhole(store, `ended after ${at}`);
    if (ended) break;
  }
});

test("where deleting is denied, the indices name again what is still there", async () => {
  const store = await filled();
  const before = await indexed(store);
  const denied = { ...store, delete: async () => Promise.reject(new Error("denied")) };
  await expect(pruneFiles(denied, { ...options, ...keeping(hdf5) })).rejects.toThrow("denied");
  expect(await indexed(store)).toEqual(before);
  expect(await indexed(store, "some/view")).toEqual(pathsFor(hdf5, numpy));
  expect(manifestsIn(store)).toEqual(pathsFor(...all));
});
