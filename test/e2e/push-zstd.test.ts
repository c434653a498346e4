import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { hasZstd } from "../../src/archive/zstd.js";
import { readAll } from "../../src/base/bytes.js";
import { readEntry } from "../../src/buildcache/entry.js";
import { image, install, type PushOptions, push, sync } from "../../src/index.js";
import { openLayout } from "../../src/io/registry/layout.js";
import { encodeManifest } from "../../src/oci/manifest.js";
import { contentOf } from "../../src/oci/content.js";
import { mediaTypes } from "../../src/oci/media-types.js";
import { parseTag } from "../../src/oci/reference.js";
import { hasShared, shared } from "../support/fixtures.js";
import { listTree } from "../support/install-from.js";
import { missingProgram, runInImage } from "../support/peers.js";
import { type PushingMachine, pushingMachine } from "../support/push.js";
import { startRegistry } from "../support/registry.js";

const greet = parseTag("greet-2.1.0-fnjwovnnel7zse6f4ljr3y6budjlpyrd.spack");
const bzip2 = parseTag("bzip2-1.0.8-5xfxwrgrx3v2jqtmavziwluq3o2wp6x4.spack");
const zstd = { compression: "zstd", specs: ["greet"] } as const;

const noRun = missingProgram("buildah") ?? (process.getuid?.() === 0 ? undefined : "chroot needs root");

async function entryIn(layout: string, tag = greet) {
  const repository = await openLayout(layout);
  const entry = await readEntry(repository, tag);
  if (entry === undefined) throw new Error(`${layout} has no ${tag}`);
  return { repository, entry };
}

async function layerIn(layout: string, tag = greet): Promise<Uint8Array> {
  const { entry } = await entryIn(layout, tag);
  return readAll(entry.open(), { limit: 2 ** 27, subject: tag });
}

const pushTo = async (machine: PushingMachine, name: string, options: PushOptions = zstd) => {
  const layout = join(machine.path, name);
  const result = await machine.push(`oci-layout:${layout}`, options);
  expect(result.failed).toEqual([]);
  return { layout, result };
};

const installed = async (machine: PushingMachine, layout: string, spec = "greet") =>
  await install([spec], {
    home: machine.home,
    env: {},
    mirror: `oci-layout:${layout}`,
    store: join(machine.path, "store"),
    hostCompatible: false,
  });

describe.skipIf(!hasZstd)("push --compression zstd (skipped where Node has none: before 22.15)", () => {
  test("sends what is told apart, and installed as what gzip packs", async () => {
    using machine = pushingMachine();
    const plain = await pushTo(machine, "gzip", { specs: ["greet"], updateIndex: true });
    expect(plain.result.warnings).toEqual([]);
    const packed = await pushTo(machine, "zstd", { ...zstd, updateIndex: true });
    expect(packed.result.warnings).toEqual([expect.stringContaining("no Spack installs")]);

    const [before, after] = [(await entryIn(plain.layout)).entry, (await entryIn(packed.layout)).entry];
    expect(after.layers.map(({ descriptor }) => descriptor.mediaType)).toEqual(
      after.layers.map(() => mediaTypes.ociLayerZstd),
    );
    expect(after.layers.map(({ diffId }) => diffId)).toEqual(before.layers.map(({ diffId }) => diffId));
    expect(after.config).toMatchObject({ archive_compression: "zstd", archive_size: after.layer.size });
    expect(after.config["stowage_compressor"]).toBeUndefined();

    const treeOf = async (layout: string): Promise<object> => {
      expect((await installed(machine, layout)).failed).toEqual([]);
      const store = join(machine.path, "store");
      const tree = listTree(store);
      rmSync(store, { recursive: true });
      return tree;
    };
    expect(await treeOf(packed.layout)).toEqual(await treeOf(plain.layout));
  });

  test("makes the same bytes again, and another level is told of", async () => {
    using machine = pushingMachine();
    const first = await pushTo(machine, "first");
    using other = pushingMachine();
    const second = await pushTo(other, "second", { ...zstd, jobs: 1 });
    expect(second.result.pushed).toEqual(first.result.pushed);
    // What was packed before is remembered, and so is how.
    const remembered = await pushTo(machine, "first", { ...zstd, force: true });
    expect(remembered.result.pushed).toEqual(first.result.pushed);

    const smaller = await pushTo(machine, "smaller", { ...zstd, compressionLevel: 19 });
    const { config, layer } = (await entryIn(smaller.layout, bzip2)).entry;
    expect(config).toMatchObject({
      archive_compression: "zstd",
      stowage_compressor: { engine: "zstd", level: 19 },
    });
    expect(layer.size).toBeLessThan((await entryIn(first.layout, bzip2)).entry.layer.size);
  });

  test.skipIf(missingProgram("zstd") !== undefined)("is read by zstd", async () => {
    using machine = pushingMachine();
    const gz = await layerIn((await pushTo(machine, "gzip", { specs: ["greet"] })).layout);
    const zst = await layerIn((await pushTo(machine, "zstd")).layout);
    const tar = spawnSync("zstd", ["-dc"], { input: zst, maxBuffer: 1 << 28 }).stdout;
    expect(tar.equals(gunzipSync(gz))).toBe(true);
  });

  test.skipIf(!hasShared)("makes images over a base of OCI's, that the check looks through", async () => {
    using machine = pushingMachine();
    await using registry = await startRegistry();
    const baseImage = `oci:${join(shared, "oci/base")}:12`;
    const cache = `${registry.host}/cache`;
    const { failed } = await machine.push(`oci+http://${cache}`, { ...zstd, baseImage, updateIndex: true });
    expect(failed).toEqual([]);
    // Looked through again, from the registry.
    using other = pushingMachine();
    const options = { home: other.home, env: {}, specs: ["greet"], tag: "all", baseImage };
    expect((await image(`oci+http://${cache}`, options)).layers).toBe(7);
    if (noRun === undefined)
      expect(await runInImage(`${cache}:${greet}`, ["greet", "--where"])).toContain("/greet-2.1.0-");
  });

  test.skipIf(!hasShared)("is refused over a base of Docker's, before anything is sent", async () => {
    using machine = pushingMachine();
    await using registry = await startRegistry();
    const baseImage = `oci:${join(shared, "oci/docker-images")}:libgreet-1.4.2-dliq6qbpjgdd5ycmfvwzmqycis6gelcr.spack`;
    await expect(
      machine.push(`oci+http://${registry.host}/cache`, { ...zstd, baseImage }),
    ).rejects.toMatchObject({ code: "image.docker-zstd", kind: "unsupported" });
    expect(registry.requests.filter(({ method }) => !["GET", "HEAD"].includes(method))).toEqual([]);
  });

  test("is refused for a mirror of files, and so is a copy to one", async () => {
    using machine = pushingMachine();
    const files = join(machine.path, "files");
    await expect(machine.push(files, { ...zstd, unsigned: true })).rejects.toMatchObject({
      code: "buildcache.zstd-unsupported",
    });
    const { layout } = await pushTo(machine, "zstd");
    const options = { home: machine.home, env: {}, unsigned: true };
    const { copied, failed } = await sync(`oci-layout:${layout}`, files, options);
    expect(copied).toEqual([]);
    expect(new Set(failed.map(({ failure }) => failure.code))).toEqual(
      new Set(["buildcache.zstd-unsupported"]),
    );
    expect(existsSync(join(files, "blobs"))).toBe(false);
  });
});

describe.skipIf(hasZstd)("on a Node without zstd", () => {
  test("a push in zstd is refused before anything else is done", async () => {
    await expect(push("oci+http://127.0.0.1:1/cache", zstd)).rejects.toMatchObject({
      code: "archive.zstd-missing",
      kind: "unsupported",
      hint: expect.stringContaining("Node 22.15"),
    });
  });

  test("a package in zstd is not downloaded to find out", async () => {
    using machine = pushingMachine();
    const { layout } = await pushTo(machine, "gzip", { specs: ["bzip2"] });
    const { repository, entry } = await entryIn(layout, bzip2);
    const layer = contentOf(new Uint8Array(100), mediaTypes.ociLayerZstd);
    const config = contentOf(
      Buffer.from(JSON.stringify({ ...entry.config, binary_cache_checksum: undefined })),
      entry.image.config.mediaType,
    );
    await repository.blobs.write(config);
    // The layer itself is not there.
    const manifest = encodeManifest({
      ...entry.image,
      config: config.descriptor,
      layers: [...entry.image.layers.slice(0, -1), layer.descriptor],
    });
    await repository.manifests.write(manifest, { tag: bzip2 });
    const installing = installed(machine, layout, `/${entry.spec.hash}`);
    await expect(installing).rejects.toMatchObject({ code: "archive.zstd-missing" });
  });
});

test("a level or an engine that zstd does not have is refused", async () => {
  const refused = (options: PushOptions) => expect(push("oci+http://127.0.0.1:1/cache", options)).rejects;
  await refused({ compression: "zstd", compressionEngine: "libdeflate" }).toMatchObject({
    code: "push.compression-engine",
  });
  await refused({ compression: "zstd", compressionLevel: 20 }).toMatchObject({
    code: hasZstd ? "push.compression-level" : "archive.zstd-missing",
  });
});
