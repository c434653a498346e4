import { expect, test } from "vitest";
import { graphOf, makePackage, storePackage } from "../../test/support/packages.js";
import { utf8 } from "../base/bytes.js";
import type { Clock } from "../base/clock.js";
import { Failure } from "../base/failure.js";
import { contentOf } from "../oci/content.js";
import { decodeImageManifest, encodeManifest } from "../oci/manifest.js";
import { mediaTypes } from "../oci/media-types.js";
import { createMemoryRegistry } from "../oci/memory.js";
import { parseRepositoryName, parseTag, type Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { updateIndex } from "./index-update.js";
import { ociCache, readIndex } from "./oci-cache.js";
import { prune, type PruneOptions } from "./prune.js";
import { packageTag } from "./tag.js";

const clock: Clock = { now: () => 0, sleep: async () => undefined };
const options = { clock, random: () => 0.5, jobs: 1 };

const zlib = makePackage("zlib", "1.3");
const older = makePackage("zlib", "1.2");
const hdf5 = makePackage("hdf5", "1.14", [zlib]);
const python = makePackage("python", "3.11", [older]);
const numpy = makePackage("numpy", "1.26", [python, older]);
const all = [zlib, older, hdf5, python, numpy];

const graph = (spec: ConcreteSpec) => graphOf(spec, all);

async function filled(): Promise<Repository> {
  const repository = createMemoryRegistry().repository(parseRepositoryName("cache"));
  for (const spec of all) await storePackage(repository, graph(spec));
  await updateIndex(ociCache(repository), options);
  return repository;
}

async function tagsOf(repository: Repository): Promise<readonly string[]> {
  const tags: string[] = [];
  for await (const tag of repository.tags()) tags.push(tag);
  return tags.filter((tag) => tag !== "index.spack").sort();
}

const tagsFor = (...specs: readonly ConcreteSpec[]): readonly string[] => specs.map(packageTag).sort();
const keeping = (...specs: readonly ConcreteSpec[]): Pick<PruneOptions, "roots"> => ({
  roots: new Set(specs.map(({ hash }) => hash)),
});

async function indexed(repository: Repository): Promise<readonly string[]> {
  const { present, nodes } = (await readIndex(repository))?.index ?? { present: [], nodes: new Map() };
  return [...present]
    .map((hash) => `${nodes.get(hash)?.["name"]}-${nodes.get(hash)?.["version"]}-${hash}.spack`)
    .sort();
}

/** An artifact about a manifest, by reference or under a tag made of its digest. */
async function sign(
  repository: Repository,
  spec: ConcreteSpec,
  form: "tag" | "referrer",
): Promise<Tag | undefined> {
  const subject = await repository.manifests.stat(packageTag(spec));
  if (subject === undefined) throw new Error("not there");
  const config = contentOf(utf8("{}"), mediaTypes.ociConfig);
  const layer = contentOf(utf8(`signature of ${subject.digest}`), "application/x-signature");
  for (const content of [config, layer]) await repository.blobs.write(content);
  const tag = form === "tag" ? parseTag(`${subject.digest.replace(":", "-")}.sig`) : undefined;
  const manifest = encodeManifest({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: [layer.descriptor],
    ...(form === "referrer" ? { subject } : {}),
  });
  await repository.manifests.write(manifest, tag === undefined ? {} : { tag });
  return tag;
}

/** Something that happens just before the n-th change of a repository, or ends it. */
function changing(repository: Repository, before: (n: number, what: string) => Promise<void>): Repository {
  let n = 0;
  const { manifests, blobs } = repository;
  return {
    ...repository,
    blobs: {
      ...blobs,
      write: async (content, call) => {
        await before(n++, "blob");
        return blobs.write(content, call);
      },
      delete: async (digest, call) => {
        await before(n++, "delete blob");
        return blobs.delete(digest, call);
      },
    },
    manifests: {
      ...manifests,
      write: async (manifest, call) => {
        await before(n++, `write ${call?.tag}`);
        return manifests.write(manifest, call);
      },
      delete: async (reference, call) => {
        await before(n++, `delete ${reference}`);
        return manifests.delete(reference, call);
      },
    },
  };
}

test("a kept package keeps what it needs, all else goes, and the index says so", async () => {
  const repository = await filled();
  const result = await prune(repository, { ...options, ...keeping(hdf5) });
  expect(result.removed.map(({ tag }) => tag).sort()).toEqual(tagsFor(older, python, numpy));
  expect(result).toMatchObject({ kept: 2, companions: 0, restored: [] });
  expect(result.index).toMatchObject({ packages: 2, dropped: 3, written: true });
  expect(await tagsOf(repository)).toEqual(tagsFor(zlib, hdf5));
  expect(await indexed(repository)).toEqual(tagsFor(zlib, hdf5));
});

test("a dry run changes nothing and counts the same", async () => {
  const repository = await filled();
  const untouched = changing(repository, async (_, what) => {
    throw new Error(what);
  });
  const planned = await prune(untouched, { ...options, ...keeping(hdf5), dryRun: true });
  const { index: _, ...done } = await prune(repository, { ...options, ...keeping(hdf5) });
  expect({ ...planned, index: undefined }).toEqual({ ...done, index: undefined });
  const blobs = done.removed.flatMap((one) => one.blobs.map(({ size }) => size));
  const manifests = done.removed.map(({ manifest }) => manifest.bytes.byteLength);
  expect(done.bytes).toBe([...blobs, ...manifests].reduce((sum, size) => sum + size, 0));
  expect(done.blobs).toBe(6);
});

test("without a rule nothing goes but what speaks of manifests that are gone", async () => {
  const repository = await filled();
  const tag = await sign(repository, older, "tag");
  const stays = await sign(repository, zlib, "tag");
  const { digest } = (await repository.manifests.stat(packageTag(older))) ?? {};
  if (digest === undefined || tag === undefined || stays === undefined) throw new Error("not there");
  await repository.manifests.delete(digest);
  const result = await prune(repository, options);
  expect(result).toMatchObject({ removed: [], companions: 1 });
  expect(await tagsOf(repository)).toEqual([...tagsFor(zlib, hdf5, python, numpy), stays].sort());
});

test("rules add up: the last of each name, and those that are named", async () => {
  const repository = await filled();
  await prune(repository, { ...options, last: 1, ...keeping(older) });
  expect(await tagsOf(repository)).toEqual(tagsFor(...all));
  const fewer = await filled();
  const loner = makePackage("zlib", "1.1");
  await storePackage(fewer, graphOf(loner, []));
  const { removed } = await prune(fewer, { ...options, last: 1 });
  expect(removed.map(({ tag }) => tag)).toEqual(tagsFor(loner));
});

test("what nothing tells the age of is not taken for old", async () => {
  const repository = await filled();
  const result = await prune(repository, { ...options, since: 1 });
  expect(result.removed).toEqual([]);
  expect(result.undated).toHaveLength(all.length);
});

test("rules that keep nothing are refused", async () => {
  const repository = await filled();
  const stranger = makePackage("stranger");
  await expect(prune(repository, { ...options, ...keeping(stranger) })).rejects.toMatchObject({
    code: "buildcache.prune-nothing-kept",
  });
  expect(await tagsOf(repository)).toEqual(tagsFor(...all));
});

test("signatures go with what they are of, and stay with what stays", async () => {
  const repository = await filled();
  const stays = await sign(repository, hdf5, "tag");
  await sign(repository, numpy, "tag");
  await sign(repository, numpy, "referrer");
  await sign(repository, hdf5, "referrer");
  const digestOf = async (spec: ConcreteSpec) => (await repository.manifests.stat(packageTag(spec)))?.digest;
  const [kept, gone] = [await digestOf(hdf5), await digestOf(numpy)];
  if (kept === undefined || gone === undefined || stays === undefined) throw new Error("not there");
  const result = await prune(repository, { ...options, ...keeping(hdf5) });
  expect(result.companions).toBe(2);
  expect(await tagsOf(repository)).toEqual([...tagsFor(zlib, hdf5), stays].sort());
  expect(await repository.referrers(gone)).toEqual([]);
  expect(await repository.referrers(kept)).toHaveLength(1);
});

test("an image, and a tag of somebody's own, keep what they name", async () => {
  const repository = await filled();
  const read = async (spec: ConcreteSpec) => {
    const manifest = await repository.manifests.read(packageTag(spec));
    if (manifest === undefined) throw new Error("not there");
    return manifest;
  };
  // One tag more of a package, and an index of another.
  await repository.manifests.write(await read(older), { tag: parseTag("pinned") });
  const layer = decodeImageManifest(await read(numpy)).layers[0];
  const config = decodeImageManifest(await read(zlib)).config;
  if (layer === undefined) throw new Error("no layer");
  const image = encodeManifest({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config,
    layers: [layer],
  });
  await repository.manifests.write(image, { tag: parseTag("env") });
  const index = encodeManifest({
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: [(await read(python)).descriptor],
  });
  await repository.manifests.write(index, { tag: parseTag("many") });

  const result = await prune(repository, { ...options, ...keeping(hdf5), deleteBlobs: true });
  expect(result.removed.map(({ tag }) => tag)).toEqual(tagsFor(numpy));
  expect(await tagsOf(repository)).toEqual(
    ["env", "many", "pinned", ...tagsFor(zlib, older, hdf5, python)].sort(),
  );
  expect(await repository.blobs.stat(layer.digest)).toBe(layer.size);
});

test("blobs of a layout go with the last package that has them", async () => {
  const repository = await filled();
  const blobs = async (spec: ConcreteSpec) => {
    const manifest = await repository.manifests.read(packageTag(spec));
    if (manifest === undefined) throw new Error("not there");
    const { config, layers } = decodeImageManifest(manifest);
    return [config, ...layers];
  };
  const gone = [...(await blobs(numpy)), ...(await blobs(python)), ...(await blobs(older))];
  const kept = [...(await blobs(hdf5)), ...(await blobs(zlib))];
  await prune(repository, { ...options, ...keeping(hdf5), deleteBlobs: true });
  for (const { digest } of gone) expect(await repository.blobs.stat(digest)).toBeUndefined();
  for (const { digest, size } of kept) expect(await repository.blobs.stat(digest)).toBe(size);
});

test("what is pushed while it runs keeps what it needs, whenever that is", async () => {
  const scipy = makePackage("scipy", "1.11", [numpy, python, older]);
  const steps = 30;
  for (let at = 0; at < steps; at += 1) {
    const repository = await filled();
    const racing = changing(repository, async (n) => {
      if (n === at) await storePackage(repository, graphOf(scipy, all));
    });
    const { removed, restored } = await prune(racing, { ...options, ...keeping(hdf5) });
    const tags = await tagsOf(repository);
    expect(await indexed(repository), `pushed before change ${at}`).toEqual(tags);
    if (tags.includes(packageTag(scipy))) {
      // Once the last look is behind, a push is too late to be seen.
      if (removed.length > 0) expect(at).toBeGreaterThan(8);
      else expect(tags).toEqual(tagsFor(...all, scipy));
    }
    if (restored.length > 0) expect(removed).toEqual([]);
  }
});

test("what is not trusted is deleted like the rest, and neither indexed nor written anew by who signs", async () => {
  const repository = await filled();
  const { manifests } = repository;
  const written: (Tag | undefined)[] = [];
  const trusted: Repository = {
    ...repository,
    manifests: {
      ...manifests,
      read: async (reference, call) => {
        if (reference === packageTag(zlib) || reference === "index.spack") throw unsigned();
        return manifests.read(reference, call);
      },
      write: async (manifest, call) => {
        written.push(call?.tag);
        return manifests.write(manifest, call);
      },
    },
  };
  const { removed, index } = await prune(repository, { ...options, ...keeping(hdf5), trusted });
  expect(removed.map(({ tag }) => tag).sort()).toEqual(tagsFor(older, python, numpy));
  expect(index).toMatchObject({ packages: 1 });
  expect(await indexed(repository)).toEqual(tagsFor(hdf5));
  expect([...new Set(written)]).toEqual(["index.spack"]);
});

const unsigned = (): Failure => new Failure("corrupt", "not signed", { code: "trust.unsigned" });

test("killed at any moment, the index names only what is there, and that has what it needs", async () => {
  class Killed extends Error {}
  for (let at = 0; ; at += 1) {
    const repository = await filled();
    await sign(repository, numpy, "tag");
    await sign(repository, hdf5, "referrer");
    const dying = changing(repository, async (n) => {
      if (n >= at) throw new Killed();
    });
    const run = { ...options, ...keeping(hdf5), deleteBlobs: true };
    const ended = await prune(dying, run).then(
      () => true,
      (error: unknown) => {
        if (error instanceof Killed) return false;
        throw error;
      },
    );
    const tags = new Set(await tagsOf(repository));
    for (const tag of await indexed(repository)) expect(tags, `killed before change ${at}`).toContain(tag);
    for (const spec of all)
      if (tags.has(packageTag(spec)))
        for (const node of graph(spec).nodes.values())
          expect(tags, `after change ${at}`).toContain(packageTag(node));
    for (const spec of [hdf5, zlib]) {
      const manifest = await repository.manifests.read(packageTag(spec));
      if (manifest === undefined) throw new Error(`${spec.name} is gone after change ${at}`);
      const { config, layers } = decodeImageManifest(manifest);
      for (const { digest, size } of [config, ...layers])
        expect(await repository.blobs.stat(digest)).toBe(size);
    }
    // Doing it again ends what was begun.
    await prune(repository, run);
    expect(await tagsOf(repository)).toEqual(tagsFor(zlib, hdf5));
    expect(await indexed(repository)).toEqual(tagsFor(zlib, hdf5));
    if (ended) break;
  }
});

test("a registry that says that it deletes, and does not, is told, and its index names all that is there", async () => {
  const repository = await filled();
  const before = await indexed(repository);
  const silent: Repository = {
    ...repository,
    manifests: { ...repository.manifests, delete: async () => undefined },
  };
  await expect(prune(silent, { ...options, ...keeping(hdf5) })).rejects.toMatchObject({
    code: "buildcache.prune-unsupported",
  });
  expect(await tagsOf(repository)).toEqual(tagsFor(...all));
  expect(await indexed(repository)).toEqual(before);
});

test("a damaged package whose manifest cannot be reached again stops it: it may need what would go", async () => {
  const repository = await filled();
  const tag = packageTag(hdf5);
  const manifest = await repository.manifests.read(tag);
  if (manifest === undefined) throw new Error("not there");
  await repository.blobs.delete(decodeImageManifest(manifest).config.digest);
  let reads = 0;
  const unreachable: Repository = {
    ...repository,
    manifests: {
      ...repository.manifests,
      read: async (reference, call) => {
        if (reference === tag && ++reads > 1)
          throw new Failure("unavailable", "the registry is gone", { code: "registry.unreachable" });
        return repository.manifests.read(reference, call);
      },
    },
  };
  const before = await tagsOf(repository);
  await expect(prune(unreachable, { ...options, ...keeping(python) })).rejects.toMatchObject({
    code: "registry.unreachable",
  });
  expect(await tagsOf(repository)).toEqual(before);
});
