import { expect, test } from "vitest";
import { type Bytes, bytesOf, readAll, utf8 } from "../../src/base/bytes.js";
import { algorithmOf, type Digest, digestOf } from "../../src/oci/digest.js";
import { mediaTypes } from "../../src/oci/media-types.js";
import { parseRepositoryName, parseTag } from "../../src/oci/reference.js";
import { checkStorage } from "../../src/server/check.js";
import { collectGarbage } from "../../src/server/collect.js";
import type { RepositoryStorage, Storage, StoredManifest } from "../../src/server/storage.js";

/** A storage on its own, with a clock that a test can set. */
export interface StorageUnderTest extends AsyncDisposable {
  readonly storage: Storage;
  readonly clock: { now(): number; set(milliseconds: number): void };
}

export const name = parseRepositoryName("team/cache");
export const blob = utf8("some bytes");
export const digest = digestOf(blob);

export async function pushBlob(repository: RepositoryStorage, bytes: Uint8Array): Promise<Digest> {
  const pushed = digestOf(bytes);
  const upload = await repository.startUpload("sha256");
  await upload.append(bytesOf(bytes));
  expect(await upload.commit(pushed)).toBe(true);
  return pushed;
}

export function manifestOf(layers: readonly Uint8Array[], more: object = {}): StoredManifest {
  const bytes = utf8(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: { mediaType: "x/config", digest: digestOf(utf8("{}")), size: 2 },
      layers: layers.map((layer) => ({ mediaType: "x/l", digest: digestOf(layer), size: layer.byteLength })),
      ...more,
    }),
  );
  return { mediaType: mediaTypes.ociManifest, digest: digestOf(bytes), bytes };
}

export async function textOf(repository: RepositoryStorage, wanted: Digest): Promise<string | undefined> {
  const found = await repository.blob(wanted);
  if (found === undefined) return undefined;
  return new TextDecoder().decode(await readAll(found.read(), { limit: 1e6, subject: wanted }));
}

/** What every storage does. */
export function storageContract(label: string, open: () => Promise<StorageUnderTest>): void {
  test(`${label}: a blob arrives in pieces, and is there only when it is committed`, async () => {
    await using it = await open();
    const repository = it.storage.repository(name);
    const { id } = await repository.startUpload("sha256");
    for (const at of [0, 4]) {
      const upload = await repository.upload(id);
      expect(await upload?.offset()).toBe(at);
      await upload?.append(bytesOf(blob.subarray(at, at === 0 ? 4 : undefined)));
    }
    expect(await repository.blob(digest)).toBeUndefined();
    expect(await repository.exists()).toBe(false);
    expect(await (await repository.upload(id))?.commit(digest)).toBe(true);
    expect(await textOf(repository, digest)).toBe("some bytes");
    expect(await repository.upload(id)).toBeUndefined();
    expect([await it.storage.repositories(), await repository.exists()]).toEqual([[name], true]);
  });

  test(`${label}: what arrived before a stream broke is kept`, async () => {
    await using it = await open();
    const upload = await it.storage.repository(name).startUpload("sha256");
    async function* broken(): Bytes {
      yield blob.subarray(0, 3);
      throw new Error("connection lost");
    }
    await expect(upload.append(broken())).rejects.toThrow("connection lost");
    expect(await upload.offset()).toBe(3);
    await upload.append(bytesOf(blob.subarray(3)));
    expect(await upload.commit(digest)).toBe(true);
  });

  test(`${label}: an upload with another digest is no blob, and is over`, async () => {
    await using it = await open();
    const repository = it.storage.repository(name);
    const upload = await repository.startUpload("sha256");
    await upload.append(bytesOf(utf8("other bytes")));
    expect(await upload.commit(digest)).toBe(false);
    expect([await repository.blob(digest), await repository.upload(upload.id)]).toEqual([
      undefined,
      undefined,
    ]);
  });

  test(`${label}: an upload may end with a digest of another algorithm than it began with`, async () => {
    await using it = await open();
    const repository = it.storage.repository(name);
    const upload = await repository.startUpload("sha256");
    await upload.append(bytesOf(blob));
    const other = digestOf(blob, "sha512");
    expect(await upload.commit(other)).toBe(true);
    expect([algorithmOf(other), await textOf(repository, other)]).toEqual(["sha512", "some bytes"]);
  });

  test(`${label}: an upload of one repository is none of another`, async () => {
    await using it = await open();
    const { id } = await it.storage.repository(name).startUpload("sha256");
    expect(await it.storage.repository(parseRepositoryName("other")).upload(id)).toBeUndefined();
    expect(await it.storage.repository(name).upload("../../../../etc/passwd")).toBeUndefined();
  });

  test(`${label}: a blob of no bytes is a blob`, async () => {
    await using it = await open();
    const repository = it.storage.repository(name);
    expect(await textOf(repository, await pushBlob(repository, new Uint8Array()))).toBe("");
  });

  test(`${label}: a blob is mounted from a repository that has it, and outlives it there`, async () => {
    await using it = await open();
    const [from, to] = [it.storage.repository(name), it.storage.repository(parseRepositoryName("other"))];
    expect(await to.mount(digest, from.name)).toBe(false);
    await pushBlob(from, blob);
    expect(await to.mount(digest, parseRepositoryName("third"))).toBe(false);
    expect(await to.mount(digest, from.name)).toBe(true);
    expect(await from.deleteBlob(digest)).toBe(true);
    expect(await from.deleteBlob(digest)).toBe(false);
    expect([await textOf(from, digest), await textOf(to, digest)]).toEqual([undefined, "some bytes"]);
    expect(await from.mount(digest)).toBe(true);
  });

  test(`${label}: a tag moves, goes, and goes with its manifest`, async () => {
    await using it = await open();
    const repository = it.storage.repository(name);
    const [one, two] = [manifestOf([]), manifestOf([blob])];
    await repository.putManifest(one, { tags: ["b", "a", "B"].map(parseTag) });
    await repository.putManifest(two, { tags: [parseTag("a")] });
    expect(await repository.tags()).toEqual(["B", "a", "b"]);
    expect((await repository.manifest(parseTag("a")))?.digest).toBe(two.digest);
    expect(await repository.manifest(one.digest)).toMatchObject({
      mediaType: one.mediaType,
      digest: one.digest,
    });
    expect(await repository.deleteTag(parseTag("B"))).toBe(true);
    expect(await repository.deleteTag(parseTag("B"))).toBe(false);
    expect(await repository.deleteManifest(two.digest)).toBe(true);
    expect(await repository.deleteManifest(two.digest)).toBe(false);
    expect([await repository.tags(), await repository.manifest(two.digest)]).toEqual([["b"], undefined]);
  });

  test(`${label}: referrers are found until they are deleted`, async () => {
    await using it = await open();
    const repository = it.storage.repository(name);
    const subject = digestOf(utf8("not pushed yet"));
    const manifest = manifestOf([], { subject: { mediaType: "x/y", digest: subject, size: 14 } });
    await repository.putManifest(manifest, { tags: [], subject });
    expect(await repository.referrers(subject)).toEqual([manifest.digest]);
    await repository.deleteManifest(manifest.digest);
    expect(await repository.referrers(subject)).toEqual([]);
  });

  test(`${label}: tags written at the same time are all there`, async () => {
    await using it = await open();
    const repository = it.storage.repository(name);
    const tags = Array.from({ length: 50 }, (_, i) => parseTag(`t${i}`));
    await Promise.all(
      tags.map((tag, i) => repository.putManifest(manifestOf([], { annotations: { i } }), { tags: [tag] })),
    );
    expect(await repository.tags()).toEqual([...tags].sort());
  });

  test(`${label}: collection takes what no manifest refers to, and nothing that a push relies on`, async () => {
    await using it = await open();
    const repository = it.storage.repository(name);
    it.clock.set(1_000_000);
    const used = await pushBlob(repository, utf8("{}"));
    await repository.putManifest(manifestOf([]), { tags: [parseTag("a")] });
    const deleted = manifestOf([blob]);
    await repository.putManifest(deleted, { tags: [] });
    await repository.deleteManifest(deleted.digest);
    const [unused, claimed, mounted] = [
      await pushBlob(repository, utf8("unused")),
      await pushBlob(repository, utf8("claimed")),
      await pushBlob(repository, utf8("mounted")),
    ];
    await repository.startUpload("sha256");
    it.clock.set(2_000_000);
    await repository.claim(claimed);
    await repository.mount(mounted, name);
    const fresh = await pushBlob(repository, utf8("fresh"));
    const swept = await collectGarbage(it.storage, { before: 1_500_000 });
    expect(swept).toEqual({ blobs: 2, uploads: 1, bytes: "unused".length + deleted.bytes.byteLength });
    const left = [used, claimed, mounted, fresh, manifestOf([]).digest].sort();
    expect([...(await repository.blobs())].sort()).toEqual(left);
    expect([await repository.blob(unused), await repository.mount(unused)]).toEqual([undefined, false]);
    expect((await checkStorage(it.storage)).problems).toEqual([]);
  });

  test(`${label}: the check names a manifest whose blob is gone`, async () => {
    await using it = await open();
    const repository = it.storage.repository(name);
    await pushBlob(repository, utf8("{}"));
    await pushBlob(repository, blob);
    const manifest = manifestOf([blob]);
    await repository.putManifest(manifest, { tags: [] });
    expect(await checkStorage(it.storage)).toEqual({ repositories: 1, manifests: 1, blobs: 3, problems: [] });
    await repository.deleteBlob(digest);
    expect((await checkStorage(it.storage)).problems).toEqual([
      { repository: name, digest: manifest.digest, problem: expect.stringContaining(digest) },
    ]);
  });
}
