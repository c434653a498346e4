import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readAll, utf8 } from "../../base/bytes.js";
import { contentOf } from "../../oci/content.js";
import { copy } from "../../oci/copy.js";
import { encodeManifest } from "../../oci/manifest.js";
import { mediaTypes } from "../../oci/media-types.js";
import { parseTag } from "../../oci/reference.js";
import { openLayout } from "./layout.js";

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const scratch = await mkdtemp(join(tmpdir(), "stowage-layout-"));
afterAll(() => rm(scratch, { recursive: true }));
const fixture = new URL("../../../../shared/fixtures/oci/cache", import.meta.url).pathname;

test.skipIf(!existsSync(fixture))(
  "a cache that Spack pushed is copied from layout to layout, whole",
  async () => {
    const from = await openLayout(fixture);
    const to = await openLayout(join(scratch, "copy"), { create: true });
    const tags = await all(from.tags());
    expect(tags.length).toBeGreaterThan(5);
    for (const tag of tags) await copy(from, to, { reference: tag, tag });
    const files = async (root: string) => (await readdir(join(root, "blobs/sha256"))).sort();
    expect(await files(join(scratch, "copy"))).toEqual(await files(fixture));
    expect(await all(to.tags())).toEqual(tags);
  },
);

test("tags written together are all kept, and a tag moves", async () => {
  const root = join(scratch, "tags");
  const layout = await openLayout(root, { create: true });
  const image = (text: string) =>
    encodeManifest({
      schemaVersion: 2,
      config: contentOf(utf8(text), mediaTypes.ociConfig).descriptor,
      layers: [],
    });
  const tags = Array.from({ length: 50 }, (_, i) => parseTag(`t${i}`));
  await Promise.all(tags.map((tag) => layout.manifests.write(image(tag), { tag })));
  expect((await all(layout.tags())).sort()).toEqual([...tags].sort());
  const moved = parseTag("t1");
  await layout.manifests.write(image("new"), { tag: moved });
  expect((await layout.manifests.stat(moved))?.digest).toBe(image("new").descriptor.digest);
  await layout.manifests.delete(moved);
  expect(await layout.manifests.read(moved)).toBeUndefined();
  expect(await layout.manifests.read(image("new").descriptor.digest)).toBeDefined();
});

test("a blob that changed on disk fails while it is read, and half a blob is never visible", async () => {
  const root = join(scratch, "blobs");
  const { blobs, label } = await openLayout(root, { create: true });
  const good = contentOf(utf8("good"));
  await expect(blobs.write({ ...good, open: contentOf(utf8("evil")).open })).rejects.toMatchObject({
    code: "oci.blob-corrupt",
  });
  expect(await readdir(join(root, "blobs/sha256"))).toEqual([]);
  expect(await blobs.write(good)).toBe("written");
  expect(await blobs.write(good)).toBe("present");
  await writeFile(join(root, "blobs/sha256", good.descriptor.digest.slice(7)), "evil");
  await expect(readAll(blobs.read(good.descriptor), { limit: 9, subject: label })).rejects.toMatchObject({
    code: "oci.blob-corrupt",
  });
});

test("a directory that is no layout is named", async () => {
  await expect(openLayout(scratch)).rejects.toMatchObject({ code: "oci.layout-missing", subject: scratch });
  expect(await readFile(join(scratch, "tags/oci-layout"), "utf8")).toContain("1.0.0");
});

test("a layout that lacks its index, or a manifest that a tag names, is broken: not one without packages", async () => {
  const root = join(scratch, "broken");
  const layout = await openLayout(root, { create: true });
  const config = contentOf(utf8("{}"), mediaTypes.ociConfig);
  const manifest = encodeManifest({
    mediaType: mediaTypes.ociManifest,
    schemaVersion: 2,
    config: config.descriptor,
    layers: [],
  });
  const tag = parseTag("one");
  await layout.blobs.write(config);
  await layout.manifests.write(manifest, { tag });
  await rm(join(root, "blobs/sha256", manifest.descriptor.digest.slice("sha256:".length)));
  const broken = expect.objectContaining({ kind: "corrupt", code: "oci.layout-broken" });
  await expect(layout.manifests.read(tag)).rejects.toEqual(broken);
  await rm(join(root, "index.json"));
  await expect(layout.manifests.read(tag)).rejects.toEqual(broken);
});
