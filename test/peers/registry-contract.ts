import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { readAll, utf8 } from "../../src/base/bytes.js";
import { contentOf } from "../../src/oci/content.js";
import { copy } from "../../src/oci/copy.js";
import type { Content, Descriptor } from "../../src/oci/descriptor.js";
import { digestOf } from "../../src/oci/digest.js";
import { encodeManifest, type ImageManifest } from "../../src/oci/manifest.js";
import { mediaTypes } from "../../src/oci/media-types.js";
import { createMemoryRegistry } from "../../src/oci/memory.js";
import { parseRepositoryName, parseTag } from "../../src/oci/reference.js";
import type { Manifest, Repository } from "../../src/oci/repository.js";

export interface ContractOptions {
  /** A repository that the tests may fill. */
  readonly open: (name: string) => Repository;
  readonly can?: {
    readonly sha512?: boolean;
    readonly deleteByTag?: boolean;
    /** Copies blobs that stay there by name, without their bytes. */
    readonly mount?: boolean;
  };
}

const random = (size: number): Content => contentOf(randomBytes(size), mediaTypes.ociLayerGzip);

const pull = (repository: Repository, descriptor: Descriptor): Promise<Uint8Array> =>
  readAll(repository.blobs.read(descriptor), { limit: 1e8, subject: "blob" });

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

export async function pushImage(
  { blobs, manifests }: Repository,
  { tag, size = 1000, ...extra }: Partial<ImageManifest> & { tag?: string; size?: number } = {},
): Promise<Manifest> {
  const [config, layer] = [contentOf(utf8("{}"), mediaTypes.ociConfig), random(size)];
  for (const blob of [config, layer]) await blobs.write(blob);
  const image = encodeManifest({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: [layer.descriptor],
    ...extra,
  });
  await manifests.write(image, tag === undefined ? {} : { tag: parseTag(tag) });
  return image;
}

/** What a `Repository` promises, whatever is behind it. */
export function registryContract({ open, can = {} }: ContractOptions): void {
  const { sha512 = true, deleteByTag = true, mount = true } = can;
  const unique = (): string => `contract/r${randomBytes(6).toString("hex")}`;

  test("a repository that nothing was written to has nothing, which is no error", async () => {
    const { blobs, manifests, tags, referrers } = open(unique());
    const { digest } = random(1).descriptor;
    expect(await blobs.stat(digest)).toBeUndefined();
    expect(await manifests.stat(parseTag("x"))).toBeUndefined();
    expect(await manifests.read(digest)).toBeUndefined();
    expect(await all(tags())).toEqual([]);
    expect(await referrers(digest)).toEqual([]);
  });

  test("blobs of any size come back as they were, and are written once", async () => {
    const repository = open(unique());
    for (const size of [0, 1, 65_536, 3_000_000]) {
      const blob = random(size);
      expect(await repository.blobs.write(blob), `${size} bytes`).toBe("written");
      expect(await repository.blobs.stat(blob.descriptor.digest)).toBe(size);
      expect(digestOf(await pull(repository, blob.descriptor))).toBe(blob.descriptor.digest);
      expect(await repository.blobs.write(blob)).toBe("present");
    }
  });

  test("a blob that is missing, or another than promised, fails where it is read", async () => {
    const repository = open(unique());
    const blob = random(1000);
    await expect(pull(repository, blob.descriptor)).rejects.toMatchObject({ code: "oci.blob-missing" });
    await repository.blobs.write(blob);
    await expect(pull(repository, { ...blob.descriptor, size: 999 })).rejects.toMatchObject({
      code: "oci.blob-corrupt",
    });
  });

  test("content that is not what its descriptor says is not stored", async () => {
    const { blobs } = open(unique());
    const { descriptor } = random(1000);
    await expect(blobs.write({ descriptor, open: random(1000).open })).rejects.toMatchObject({
      kind: "corrupt",
    });
    expect(await blobs.stat(descriptor.digest)).toBeUndefined();
  });

  test("a manifest is found by tag and by digest, byte for byte", async () => {
    const repository = open(unique());
    const image = await pushImage(repository, { tag: "v1" });
    for (const reference of [parseTag("v1"), image.descriptor.digest]) {
      expect(await repository.manifests.stat(reference)).toEqual(image.descriptor);
      const found = await repository.manifests.read(reference);
      expect(found?.descriptor).toEqual(image.descriptor);
      expect(Buffer.from(found?.bytes ?? [])).toEqual(Buffer.from(image.bytes));
    }
    const other = await pushImage(repository, { tag: "v1" });
    expect((await repository.manifests.stat(parseTag("v1")))?.digest).toBe(other.descriptor.digest);
  });

  test("a manifest whose blobs are missing is refused, by a failure that says so", async () => {
    const { manifests } = open(unique());
    const image = encodeManifest({ schemaVersion: 2, config: random(2).descriptor, layers: [] });
    await expect(manifests.write(image, { tag: parseTag("v1") })).rejects.toMatchObject({
      code: "oci.manifest-blob-missing",
    });
  });

  test("all tags are listed, over as many pages as it takes", async () => {
    const repository = open(unique());
    const image = await pushImage(repository);
    const tags = Array.from({ length: 25 }, (_, i) => parseTag(`t${String(i).padStart(2, "0")}`));
    for (const tag of tags) await repository.manifests.write(image, { tag });
    expect((await all(repository.tags())).sort()).toEqual(tags);
  });

  test("what refers to a manifest is found, by kind too, and gone once it is deleted", async () => {
    const repository = open(unique());
    const subject = (await pushImage(repository, { tag: "v1" })).descriptor;
    const kinds = ["test/signature", "test/sbom"];
    const written: Descriptor[] = [];
    for (const artifactType of kinds)
      written.push(
        (await pushImage(repository, { artifactType, subject, annotations: { kind: artifactType } }))
          .descriptor,
      );
    const found = await repository.referrers(subject.digest);
    expect(found.map((entry) => entry.artifactType).sort()).toEqual([...kinds].sort());
    const [signature] = await repository.referrers(subject.digest, { artifactType: "test/signature" });
    expect(signature).toMatchObject({ digest: written[0]?.digest, annotations: { kind: "test/signature" } });
    for (const { digest } of written) await repository.manifests.delete(digest);
    expect(await repository.referrers(subject.digest)).toEqual([]);
  });

  test("of what is attached by several writers at once nothing is lost", async () => {
    const repository = open(unique());
    const subject = (await pushImage(repository, { tag: "v1" })).descriptor;
    const attach = async (writer: number) => {
      for (let i = 0; i < 3; i += 1)
        await pushImage(repository, { artifactType: `test/w${writer}-${i}`, subject });
    };
    await Promise.all([0, 1, 2].map(attach));
    const found = await repository.referrers(subject.digest);
    expect(new Set(found.map((entry) => entry.artifactType)).size).toBe(9);
  });

  test("manifests, tags and blobs can be deleted, also when they are not there", async () => {
    const repository = open(unique());
    const image = await pushImage(repository, { tag: "v1" });
    const blob = random(10);
    await repository.blobs.write(blob);
    for (let time = 0; time < 2; time += 1) await repository.blobs.delete(blob.descriptor.digest);
    expect(await repository.blobs.stat(blob.descriptor.digest)).toBeUndefined();
    if (deleteByTag) {
      await repository.manifests.delete(parseTag("v1"));
      expect(await repository.manifests.stat(parseTag("v1"))).toBeUndefined();
      expect(await repository.manifests.stat(image.descriptor.digest)).toBeDefined();
    } else
      await expect(repository.manifests.delete(parseTag("v1"))).rejects.toMatchObject({
        code: "oci.delete-unsupported",
      });
    for (let time = 0; time < 2; time += 1) await repository.manifests.delete(image.descriptor.digest);
    expect(await repository.manifests.stat(image.descriptor.digest)).toBeUndefined();
  });

  test("a blob of another repository is mounted, not sent", async () => {
    const [from, to] = [open(unique()), open(unique())];
    const blob = random(1000);
    await from.blobs.write(blob);
    const read = { ...blob, open: () => (mount ? notToBeRead() : blob.open()) };
    expect(await to.blobs.write(read, { from: from.name })).toBe(mount ? "mounted" : "written");
    expect(digestOf(await pull(to, blob.descriptor))).toBe(blob.descriptor.digest);
    // One that the other does not have either is sent.
    expect(await to.blobs.write(random(10), { from: from.name })).toBe("written");
  });

  test.skipIf(!sha512)("sha512 digests name blobs and manifests", async () => {
    const repository = open(unique());
    const bytes = utf8("sha512");
    const blob = {
      ...contentOf(bytes),
      descriptor: { ...contentOf(bytes).descriptor, digest: digestOf(bytes, "sha512") },
    };
    expect(await repository.blobs.write(blob)).toBe("written");
    expect(Buffer.from(await pull(repository, blob.descriptor))).toEqual(Buffer.from(bytes));
    const image = encodeManifest({ schemaVersion: 2, config: blob.descriptor, layers: [] });
    const manifest = {
      ...image,
      descriptor: { ...image.descriptor, digest: digestOf(image.bytes, "sha512") },
    };
    await repository.manifests.write(manifest);
    expect((await repository.manifests.read(manifest.descriptor.digest))?.descriptor).toEqual(
      manifest.descriptor,
    );
  });

  test("an index in Docker's format goes out and comes back with all its images", async () => {
    const local = createMemoryRegistry().repository(parseRepositoryName("local"));
    const images = [];
    for (const architecture of ["amd64", "arm64"]) {
      const { descriptor } = await pushImage(local, { mediaType: mediaTypes.dockerManifest });
      images.push({ ...descriptor, platform: { os: "linux", architecture } });
    }
    const index = encodeManifest({
      schemaVersion: 2,
      mediaType: mediaTypes.dockerManifestList,
      manifests: images,
    });
    await local.manifests.write(index, { tag: parseTag("multi") });
    const remote = open(unique());
    await copy(local, remote, { reference: parseTag("multi"), tag: parseTag("multi") });
    const back = createMemoryRegistry().repository(parseRepositoryName("back"));
    await copy(remote, back, { reference: parseTag("multi"), tag: parseTag("multi") });
    expect(await back.manifests.stat(parseTag("multi"))).toEqual(index.descriptor);
  });
}

function notToBeRead(): never {
  throw new Error("a blob that can be mounted is not read");
}
