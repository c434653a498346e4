import { expect, test } from "vitest";
import { type MemoryObjects, memoryObjects } from "../../test/support/memory-objects.js";
import { graphOf, makePackage } from "../../test/support/packages.js";
import { utf8 } from "../base/bytes.js";
import { contentOf } from "../oci/content.js";
import { mediaTypes } from "../oci/media-types.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { updateView } from "./index-views.js";
import { urlCache } from "./url-cache.js";

const zlib = makePackage("zlib", "1.3");
const hdf5 = makePackage("hdf5", "1.14", [zlib]);
const bzip2 = makePackage("bzip2", "1.0");
const all = [zlib, hdf5, bzip2];
const options = { clock: { now: () => 0, sleep: async () => undefined }, random: () => 0.5 };
const choice = (...specs: readonly ConcreteSpec[]) => ({
  ...options,
  hashes: new Set(specs.map(({ hash }) => hash)),
});

async function filled(): Promise<MemoryObjects> {
  const store = memoryObjects(() => 0);
  const cache = urlCache(store);
  for (const spec of all) {
    const tarball = contentOf(utf8(spec.hash), mediaTypes.ociLayerGzip);
    await cache.blobs.write(tarball);
    await cache.write({ graph: graphOf(spec, all), layer: tarball.descriptor });
  }
  return store;
}

async function named(store: MemoryObjects, view: string): Promise<readonly string[]> {
  const present = (await urlCache(store, { view }).index.read())?.index.present;
  return all.filter(({ hash }) => present?.has(hash)).map(({ name }) => name);
}

test("a view names what was chosen of what there is, and leaves the index of all alone", async () => {
  const store = await filled();
  const absent = makePackage("absent");
  expect(await updateView(store, "a/b", choice(hdf5, zlib, absent))).toMatchObject({ packages: 2 });
  expect(await named(store, "a/b")).toEqual(["zlib", "hdf5"]);
  expect(await urlCache(store).index.state()).toBeUndefined();
});

test("a view that is there is left, replaced or added to", async () => {
  const store = await filled();
  await updateView(store, "v", choice(zlib));
  await expect(updateView(store, "v", choice(bzip2))).rejects.toMatchObject({
    code: "buildcache.view-exists",
  });
  expect(await named(store, "v")).toEqual(["zlib"]);
  await updateView(store, "v", { ...choice(bzip2), existing: "append" });
  expect(await named(store, "v")).toEqual(["zlib", "bzip2"]);
  await updateView(store, "v", { ...choice(hdf5), existing: "replace" });
  expect(await named(store, "v")).toEqual(["hdf5"]);
});

test.each(["", "..", "a/../b", "/a", "a//b", ".x", "a b"])("%j is no name of a view", async (view) => {
  const store = await filled();
  await expect(updateView(store, view, choice(zlib))).rejects.toMatchObject({
    code: "buildcache.view-invalid",
  });
});
