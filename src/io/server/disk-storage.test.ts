import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { scratchDirectory } from "../../../test/support/fixtures.js";
import {
  blob,
  digest,
  manifestOf,
  name,
  pushBlob,
  type StorageUnderTest,
  storageContract,
  textOf,
} from "../../../test/support/storage-contract.js";
import { bytesOf, utf8 } from "../../base/bytes.js";
import { digestOf } from "../../oci/digest.js";
import { parseRepositoryName, parseTag } from "../../oci/reference.js";
import { checkStorage } from "../../server/check.js";
import { openDiskStorage } from "./disk-storage.js";
import { blobPathOf, directoryOf } from "./root.js";

interface Disk extends StorageUnderTest {
  readonly root: string;
  readonly errors: unknown[];
}

async function openDisk(root = scratchDirectory().path): Promise<Disk> {
  let now = Date.now();
  const clock = {
    now: () => now,
    set(milliseconds: number) {
      now = milliseconds;
    },
  };
  const errors: unknown[] = [];
  const storage = openDiskStorage({ root, clock, onError: (error) => errors.push(error) });
  return {
    root,
    errors,
    storage,
    clock,
    async [Symbol.asyncDispose]() {
      await storage.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** What is left of a storage whose process was killed now. */
async function afterCrash({ root }: Disk): Promise<Disk> {
  const copy = scratchDirectory().path;
  cpSync(root, copy, { recursive: true });
  rmSync(join(copy, "_lock"));
  return openDisk(copy);
}

storageContract("disk", openDisk);

const indexOf = (root: string): { manifests: { digest: string; annotations?: Record<string, string> }[] } =>
  JSON.parse(readFileSync(join(directoryOf(root, name), "index.json"), "utf8"));

test("a closed storage is an OCI image layout with every tag", async () => {
  await using disk = await openDisk();
  const repository = disk.storage.repository(name);
  const manifest = manifestOf([]);
  await repository.putManifest(manifest, { tags: [parseTag("1"), parseTag("latest")] });
  await repository.putManifest(manifestOf([blob]), { tags: [] });
  await disk.storage.close();
  const directory = directoryOf(disk.root, name);
  expect(JSON.parse(readFileSync(join(directory, "oci-layout"), "utf8"))).toEqual({
    imageLayoutVersion: "1.0.0",
  });
  expect(indexOf(disk.root).manifests).toMatchObject([
    { digest: manifest.digest, annotations: { "org.opencontainers.image.ref.name": "1" } },
    { digest: manifest.digest, annotations: { "org.opencontainers.image.ref.name": "latest" } },
    { digest: manifestOf([blob]).digest },
  ]);
  expect(readFileSync(blobPathOf(directory, manifest.digest))).toEqual(Buffer.from(manifest.bytes));
  expect(existsSync(join(directory, "_journal"))).toBe(false);
});

test("a blob in two repositories is one file", async () => {
  await using disk = await openDisk();
  const other = parseRepositoryName("other");
  await pushBlob(disk.storage.repository(name), blob);
  await pushBlob(disk.storage.repository(other), blob);
  const inode = (of: typeof name): number => statSync(blobPathOf(directoryOf(disk.root, of), digest)).ino;
  expect(inode(other)).toBe(inode(name));
});

test("names that a layout has files of are repositories all the same", async () => {
  await using disk = await openDisk();
  const names = ["a", "a/blobs", "a/blobs/sha256", "a/index.json", "blobs", "oci-layout/x"].map(
    parseRepositoryName,
  );
  for (const each of names) await pushBlob(disk.storage.repository(each), utf8(each));
  expect(await disk.storage.repositories()).toEqual(names);
  for (const each of names)
    expect(await textOf(disk.storage.repository(each), digestOf(utf8(each)))).toBe(each);
});

test("after a crash, tags and referrers are as they were acknowledged, and an upload goes on", async () => {
  await using before = await openDisk();
  const repository = before.storage.repository(name);
  const subject = digestOf(utf8("subject"));
  const referrer = manifestOf([blob], { subject: { mediaType: "x", digest: subject, size: 7 } });
  await repository.putManifest(manifestOf([]), { tags: ["a", "b", "c"].map(parseTag) });
  await repository.putManifest(referrer, { tags: [], subject });
  await repository.deleteTag(parseTag("b"));
  const { id } = await repository.startUpload("sha256");
  await (await repository.upload(id))?.append(bytesOf(blob.subarray(0, 4)));

  await using after = await afterCrash(before);
  const again = after.storage.repository(name);
  expect(await again.tags()).toEqual(["a", "c"]);
  expect(await again.referrers(subject)).toEqual([referrer.digest]);
  const upload = await again.upload(id);
  expect(await upload?.offset()).toBe(4);
  await upload?.append(bytesOf(blob.subarray(4)));
  expect(await upload?.commit(digest)).toBe(true);
  expect(after.errors).toEqual([]);
});

test("a journal that is replayed over the index that has it changes nothing", async () => {
  await using disk = await openDisk();
  const repository = disk.storage.repository(name);
  await repository.putManifest(manifestOf([]), { tags: [parseTag("a")] });
  await repository.putManifest(manifestOf([blob]), { tags: [parseTag("a"), parseTag("b")] });
  await repository.deleteManifest(manifestOf([]).digest);
  await repository.deleteTag(parseTag("b"));
  const journal = join(directoryOf(disk.root, name), "_journal");
  const lines = readFileSync(journal);
  await disk.storage.close();
  writeFileSync(journal, lines);
  await using after = await openDisk(disk.root);
  const again = after.storage.repository(name);
  expect(await again.tags()).toEqual(["a"]);
  expect((await again.manifest(parseTag("a")))?.digest).toBe(manifestOf([blob]).digest);
  expect(await again.manifest(manifestOf([]).digest)).toBeUndefined();
});

test("half a line at the journal's end is not read, and does not swallow the next", async () => {
  await using before = await openDisk();
  await before.storage.repository(name).putManifest(manifestOf([]), { tags: [parseTag("a")] });
  appendFileSync(join(directoryOf(before.root, name), "_journal"), '{"type":"untag","ta');
  await using after = await afterCrash(before);
  await after.storage.repository(name).putManifest(manifestOf([]), { tags: [parseTag("b")] });
  await using last = await afterCrash(after);
  expect(await last.storage.repository(name).tags()).toEqual(["a", "b"]);
});

test("a manifest that is broken on disk is dropped at the start, and said", async () => {
  await using before = await openDisk();
  const repository = before.storage.repository(name);
  await repository.putManifest(manifestOf([]), { tags: [parseTag("a")] });
  await repository.putManifest(manifestOf([blob]), { tags: [parseTag("b")] });
  writeFileSync(blobPathOf(directoryOf(before.root, name), manifestOf([]).digest), "{");
  await using after = await afterCrash(before);
  expect(await after.storage.repository(name).tags()).toEqual(["b"]);
  expect(after.errors.map(String)).toEqual([expect.stringContaining("is broken")]);
});

test("what is dropped at the start is dropped from index.json where it is repaired, and only there", async () => {
  const root = scratchDirectory().path;
  const clock = { now: Date.now };
  const errors: string[] = [];
  const open = (repair: boolean) =>
    openDiskStorage({ root, clock, repair, onError: (error) => errors.push(String(error)) });
  const first = open(false);
  await first.repository(name).putManifest(manifestOf([]), { tags: [parseTag("a")] });
  await first.close();
  rmSync(blobPathOf(directoryOf(root, name), manifestOf([]).digest));
  const found: number[] = [];
  for (const repair of [false, true, false]) {
    errors.length = 0;
    const storage = open(repair);
    await checkStorage(storage, { repair });
    await storage.close();
    found.push(errors.length);
  }
  expect(found).toEqual([1, 1, 0]);
  rmSync(root, { recursive: true });
});

test("a blob that is broken on disk is found, and with repair can be pushed again", async () => {
  await using disk = await openDisk();
  const repository = disk.storage.repository(name);
  await pushBlob(repository, utf8("{}"));
  await pushBlob(repository, blob);
  const manifest = manifestOf([blob]);
  await repository.putManifest(manifest, { tags: [parseTag("a")] });
  writeFileSync(blobPathOf(directoryOf(disk.root, name), digest), "SOME BYTES");
  const broken = { repository: name, digest, problem: "its bytes have another digest" };
  expect((await checkStorage(disk.storage)).problems).toEqual([broken]);
  expect((await checkStorage(disk.storage, { repair: true })).problems).toEqual([
    broken,
    { repository: name, digest: manifest.digest, problem: expect.stringContaining(digest) },
  ]);
  await pushBlob(repository, blob);
  expect((await checkStorage(disk.storage)).problems).toEqual([]);
});

test("a layout that another tool wrote is a repository", async () => {
  await using disk = await openDisk();
  const directory = join(disk.root, "fixture");
  const manifest = manifestOf([]);
  for (const [path, text] of [
    ["oci-layout", '{"imageLayoutVersion":"1.0.0"}'],
    [`blobs/sha256/${manifest.digest.slice(7)}`, new TextDecoder().decode(manifest.bytes)],
    [
      "index.json",
      JSON.stringify({
        schemaVersion: 2,
        manifests: [
          {
            mediaType: manifest.mediaType,
            digest: manifest.digest,
            size: manifest.bytes.byteLength,
            annotations: { "org.opencontainers.image.ref.name": "v1" },
          },
        ],
      }),
    ],
  ] as const) {
    const file = join(directory, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  expect(await disk.storage.repository(parseRepositoryName("fixture")).tags()).toEqual(["v1"]);
});

test("a root is served by one process at a time, and by the next after a crash", async () => {
  await using disk = await openDisk();
  await expect(openDisk(disk.root)).rejects.toMatchObject({ code: "server.root-in-use" });
  writeFileSync(
    join(disk.root, "_lock"),
    readFileSync(join(disk.root, "_lock"), "utf8").replace(/\d+/, "4194304"),
  );
  const next = await openDisk(disk.root);
  await next.storage.close();
});

test("index.json follows 2,000 tags without being written for each", { timeout: 20_000 }, async () => {
  await using disk = await openDisk();
  const repository = disk.storage.repository(name);
  for (let i = 0; i < 2000; i += 1)
    await repository.putManifest(manifestOf([], { annotations: { i: String(i) } }), {
      tags: [parseTag(`t${i}`)],
    });
  await disk.storage.close();
  expect(indexOf(disk.root).manifests).toHaveLength(2000);
});
