import { statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPacker } from "../../src/app/packer.js";
import { utf8 } from "../../src/base/bytes.js";
import { type OciEntry, readEntry } from "../../src/buildcache/entry.js";
import { updateIndex } from "../../src/buildcache/index-update.js";
import { ociCache, packageTags, readIndex } from "../../src/buildcache/oci-cache.js";
import { copyLayers, readBaseImage } from "../../src/image/base-image.js";
import { openLayout } from "../../src/io/registry/layout.js";
import { openStore } from "../../src/io/store/disk-store.js";
import { systemClock } from "../../src/io/system/clock.js";
import { createWorkers } from "../../src/io/workers/pool.js";
import { digestOf } from "../../src/oci/digest.js";
import { createMemoryRegistry } from "../../src/oci/memory.js";
import { parseRepositoryName, parseTag } from "../../src/oci/reference.js";
import type { Repository } from "../../src/oci/repository.js";
import { graphOfDatabase, planPush } from "../../src/push/plan.js";
import { type ImagePushOptions, pushImages } from "../../src/push/push-images.js";
import { type PushResult, runPush } from "../../src/push/run.js";
import { hasShared, scratchDirectory, shared, spackRoot, unpackStore } from "../support/fixtures.js";

const scratch = scratchDirectory();
beforeAll(() => unpackStore(scratch.path));
afterAll(() => scratch[Symbol.dispose]());

const locate = (path: string): string => join(scratch.path, path);

/** Pushes greet and what it needs, as Spack 1.3 did. */
async function pushGreet(
  repository: Repository,
  { baseLayout, force = false }: { baseLayout?: string; force?: boolean } = {},
): Promise<PushResult> {
  const store = await openStore(locate(spackRoot));
  const database = await store.readDatabase();
  const greet = [...database.records.values()].find(({ spec }) => spec.name === "greet");
  const roots = greet === undefined ? [] : [greet.spec.hash];
  const base = baseLayout === undefined ? undefined : await openLayout(baseLayout);
  const image =
    base === undefined
      ? undefined
      : await readBaseImage(
          base,
          { domain: "", name: base.name, tag: parseTag("12"), digest: undefined },
          { architecture: "amd64", os: "linux" },
        );
  if (image !== undefined) await copyLayers(image, repository);
  const present = new Set((await packageTags(repository)).keys());
  await using workers = createWorkers({ threads: 2 });
  const plan = planPush(database, roots, { present, force });
  const options: ImagePushOptions = {
    graph: graphOfDatabase(database, roots),
    storeRoot: spackRoot,
    spackPrefix: "/opt/spack-1.3",
    packer: await createPacker(workers, { cacheRoot: join(scratch.path, "cache"), locate }),
    base: image,
    hasDirectory: (prefix, directory) =>
      statSync(locate(join(prefix, directory)), { throwIfNoEntry: false })?.isDirectory() ?? false,
    prefixOf: (hash) => database.records.get(hash)?.path,
    jobs: 2,
    force,
  };
  return await runPush(plan, (call) => pushImages(plan, repository, { ...options, ...call }), {});
}

const memory = (): Repository => createMemoryRegistry().repository(parseRepositoryName("cache"));

async function entriesOf(repository: Repository): Promise<Map<string, OciEntry>> {
  const entries = new Map<string, OciEntry>();
  for (const tag of (await packageTags(repository)).values()) {
    const entry = await readEntry(repository, tag);
    if (entry !== undefined) entries.set(entry.spec.name, entry);
  }
  return entries;
}

/** Spack's environment less what we leave out on purpose: duplicates, the host's own directories, recipes. */
function cleaned(env: readonly string[] | null | undefined): string[] {
  return (env ?? []).flatMap((line) => {
    const [name = "", value = ""] = line.split(/=(.*)/s);
    if (name.startsWith("GREET_")) return [];
    const own = [...new Set(value.split(":"))].filter((dir) => !/^\/usr\/(share|lib)\//.test(dir));
    return own.length === 0 ? [] : [`${name}=${own.join(":")}`];
  });
}

test("a push sends the run and link closure, and another finds it all there", async () => {
  const repository = memory();
  const first = await pushGreet(repository);
  expect(first.failed).toEqual([]);
  expect(first.missing).toEqual([]);
  expect(first.pushed.map(({ name }) => name).sort()).toEqual([
    "bzip2",
    "gcc-runtime",
    "greet",
    "greet-data",
    "libgreet",
    "zlib",
  ]);
  const again = await pushGreet(repository);
  expect(again.pushed).toEqual([]);
  expect(again.present).toHaveLength(6);
});

test("equal stores make equal images, whatever the order of their threads", async () => {
  const [a, b] = [await pushGreet(memory()), await pushGreet(memory())];
  expect(a.pushed).toEqual(b.pushed);
});

test("a tag that somebody else pushed meanwhile is not replaced, but by force", async () => {
  const [zlib] = (await pushGreet(memory())).pushed.filter(({ name }) => name === "zlib");
  const other = memory();
  const racing: Repository = {
    ...other,
    manifests: {
      ...other.manifests,
      stat: async (reference, call) =>
        reference === zlib?.tag
          ? {
              mediaType: "application/vnd.oci.image.manifest.v1+json",
              digest: digestOf(utf8("theirs")),
              size: 1,
            }
          : other.manifests.stat(reference, call),
    },
  };
  const result = await pushGreet(racing);
  const codes = Object.fromEntries(result.failed.map(({ name, failure }) => [name, failure.code]));
  expect(codes).toEqual({
    zlib: "push.tag-differs",
    libgreet: "push.dependency-failed",
    greet: "push.dependency-failed",
  });
  expect((await pushGreet(racing, { force: true })).failed).toEqual([]);
});

describe.skipIf(!hasShared)("beside what Spack 1.3 pushed (needs ../shared)", () => {
  test("every tarball has Spack's diff id, and every image Spack's layers in Spack's order", async () => {
    const repository = memory();
    await pushGreet(repository);
    const [ours, theirs] = [
      await entriesOf(repository),
      await entriesOf(await openLayout(join(shared, "oci/cache"))),
    ];
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort());
    for (const [name, entry] of theirs) {
      const own = ours.get(name);
      expect(
        own?.layers.map((layer) => layer.diffId),
        name,
      ).toEqual(entry.layers.map((layer) => layer.diffId));
      expect(own?.image.annotations?.["org.opencontainers.image.description"], name).toBe(
        entry.image.annotations?.["org.opencontainers.image.description"],
      );
      expect(own?.config["spec"], name).toEqual(entry.config["spec"]);
      expect(cleaned(own?.config.config?.Env), name).toEqual(cleaned(entry.config.config?.Env));
    }
  });

  test("over a base image the images are Spack's", async () => {
    const repository = memory();
    await pushGreet(repository, { baseLayout: join(shared, "oci/base") });
    const [ours, theirs] = [
      await entriesOf(repository),
      await entriesOf(await openLayout(join(shared, "oci/images"))),
    ];
    for (const [name, entry] of theirs) {
      const own = ours.get(name);
      expect(
        own?.layers.map((layer) => layer.diffId),
        name,
      ).toEqual(entry.layers.map((layer) => layer.diffId));
      expect(cleaned(own?.config.config?.Env), name).toEqual(cleaned(entry.config.config?.Env));
      const plain = ({
        config,
        archive_timestamp: _,
        archive_size: _s,
        binary_cache_checksum: _c,
        ...rest
      }: OciEntry["config"]) => ({
        ...rest,
        config: { ...config, Env: [] },
      });
      expect(plain(own?.config as OciEntry["config"]), name).toEqual(plain(entry.config));
      expect(Object.keys(own?.config ?? {}), name).toEqual(
        Object.keys(entry.config).filter((key) => key !== "archive_timestamp"),
      );
    }
  });

  test("the index holds the records of Spack's", async () => {
    const repository = memory();
    await pushGreet(repository);
    await updateIndex(ociCache(repository), { clock: systemClock, random: Math.random });
    const [ours, theirs] = [
      await readIndex(repository),
      await readIndex(await openLayout(join(shared, "oci/cache"))),
    ];
    expect(new Map(ours?.index.nodes)).toEqual(new Map(theirs?.index.nodes));
    expect(new Set(ours?.index.present)).toEqual(new Set(theirs?.index.present));
  });

  test.each(["cache", "images", "docker-images", "cache-023", "cache-021"])(
    "what Spack pushed into oci/%s is read, its hashes checked",
    async (layout) => {
      const entries = await entriesOf(await openLayout(join(shared, "oci", layout)));
      expect(entries.size).toBeGreaterThanOrEqual(5);
      expect(entries.get("greet")?.layers.length).toBeGreaterThanOrEqual(5);
    },
  );
});
