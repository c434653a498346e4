import { expect, test } from "vitest";
import { utf8 } from "../base/bytes.js";
import { contentOf } from "./content.js";
import { copy, demandManifest } from "./copy.js";
import type { Descriptor } from "./descriptor.js";
import { decodeImageManifest, encodeManifest } from "./manifest.js";
import { mediaTypes } from "./media-types.js";
import { createMemoryRegistry } from "./memory.js";
import { parseRepositoryName, parseTag } from "./reference.js";
import type { Repository } from "./repository.js";

const name = parseRepositoryName("a/b");
const tag = parseTag("v1");

/** Two images that share a layer under one index, and a signature of the index. */
async function fill(repository: Repository): Promise<Descriptor> {
  const shared = contentOf(utf8("shared"), mediaTypes.ociLayerGzip);
  const manifests: Descriptor[] = [];
  for (const architecture of ["amd64", "arm64"]) {
    const config = contentOf(utf8(architecture), mediaTypes.ociConfig);
    for (const blob of [shared, config]) await repository.blobs.write(blob);
    const image = encodeManifest({
      schemaVersion: 2,
      config: config.descriptor,
      layers: [shared.descriptor],
    });
    await repository.manifests.write(image);
    manifests.push({ ...image.descriptor, platform: { os: "linux", architecture } });
  }
  const index = encodeManifest({ schemaVersion: 2, manifests });
  await repository.manifests.write(index, { tag });
  const config = contentOf(utf8("{}"), mediaTypes.ociEmpty);
  await repository.blobs.write(config);
  await repository.manifests.write(
    encodeManifest({
      schemaVersion: 2,
      artifactType: "test/signature",
      config: config.descriptor,
      layers: [],
      subject: index.descriptor,
    }),
  );
  return index.descriptor;
}

test("copy() takes an index with its images, each blob once, and what refers to it where asked", async () => {
  const from = createMemoryRegistry("one").repository(name);
  const to = createMemoryRegistry("two").repository(name);
  const top = await fill(from);
  const outcomes: string[] = [];
  const report = (event: { type: string; outcome?: string }): void => {
    if (event.type === "finished") outcomes.push(event.outcome ?? "");
  };
  expect(await copy(from, to, { reference: tag, tag: parseTag("v2"), report })).toEqual(top);
  expect(outcomes).toEqual(["written", "written", "written"]);
  expect((await to.manifests.read(parseTag("v2")))?.descriptor).toEqual(top);
  expect(await to.referrers(top.digest)).toEqual([]);
  await copy(from, to, { reference: top.digest, referrers: true });
  expect((await to.referrers(top.digest)).map((entry) => entry.artifactType)).toEqual(["test/signature"]);
});

test("within one registry blobs are mounted, and what is missing is named", async () => {
  const registry = createMemoryRegistry("one");
  const [from, to] = [registry.repository(name), registry.repository(parseRepositoryName("c"))];
  await fill(from);
  const outcomes = new Set<string>();
  await copy(from, to, {
    reference: tag,
    report: (event) => event.type === "finished" && outcomes.add(event.outcome),
  });
  expect([...outcomes]).toEqual(["mounted"]);
  await expect(copy(from, to, { reference: parseTag("nope") })).rejects.toMatchObject({
    code: "oci.manifest-missing",
    subject: "one/a/b:nope",
  });
});

test("a blob that is not what its descriptor says is not stored", async () => {
  const { blobs } = createMemoryRegistry().repository(name);
  const good = contentOf(utf8("good"));
  for (const bytes of ["evil", "goo", "goods"])
    await expect(blobs.write({ ...good, open: contentOf(utf8(bytes)).open }), bytes).rejects.toMatchObject({
      code: "oci.blob-corrupt",
    });
  expect(await blobs.stat(good.descriptor.digest)).toBeUndefined();
});

test("copy() names layers that may not be passed on, and leaves them where they are", async () => {
  const from = createMemoryRegistry("one").repository(name);
  const to = createMemoryRegistry("two").repository(name);
  const config = contentOf(utf8("{}"), mediaTypes.ociConfig);
  await from.blobs.write(config);
  const mediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  const { descriptor } = contentOf(utf8("somebody else's"), mediaType);
  const layers = [{ ...descriptor, urls: ["https://example.com/layer"] }];
  const image = encodeManifest({ schemaVersion: 2, config: config.descriptor, layers });
  await from.manifests.write(image, { tag });
  await copy(from, to, { reference: tag, tag });
  expect((await to.manifests.read(tag))?.bytes).toEqual(image.bytes);
  expect(await to.blobs.stat(descriptor.digest)).toBeUndefined();
});

test("what cosign keeps under tags made of the digest is copied with the referrers", async () => {
  const registry = createMemoryRegistry();
  const from = registry.repository(parseRepositoryName("from"));
  const to = registry.repository(parseRepositoryName("to"));
  const config = contentOf(utf8("{}"), mediaTypes.ociConfig);
  await from.blobs.write(config);
  const image = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: config.descriptor } as const;
  const signed = encodeManifest({ ...image, layers: [] });
  const tag = parseTag("app");
  await from.manifests.write(signed, { tag });
  const signature = encodeManifest({ ...image, layers: [], annotations: { of: "app" } });
  const at = parseTag(`${signed.descriptor.digest.replace(":", "-")}.sig`);
  await from.manifests.write(signature, { tag: at });
  await copy(from, to, { reference: tag, tag, referrers: true });
  expect((await to.manifests.stat(at))?.digest).toBe(signature.descriptor.digest);
});

test("signatures that somebody made at the destination stay beside those that are copied", async () => {
  const registry = createMemoryRegistry();
  const [from, to] = ["from", "to"].map((name) => registry.repository(parseRepositoryName(name)));
  if (from === undefined || to === undefined) throw new Error("two repositories");
  const config = contentOf(utf8("{}"), mediaTypes.ociConfig);
  const payload = contentOf(utf8("payload"), "text/plain");
  for (const one of [from, to]) for (const blob of [config, payload]) await one.blobs.write(blob);
  const image = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: config.descriptor } as const;
  const signed = encodeManifest({ ...image, layers: [] });
  const tag = parseTag("app");
  await from.manifests.write(signed, { tag });
  const at = parseTag(`${signed.descriptor.digest.replace(":", "-")}.sig`);
  const by = (signer: string) => ({ ...payload.descriptor, annotations: { signer } });
  await from.manifests.write(encodeManifest({ ...image, layers: [by("both"), by("one")] }), { tag: at });
  await to.manifests.write(encodeManifest({ ...image, layers: [by("both"), by("other")] }), { tag: at });
  for (let times = 0; times < 2; times += 1) await copy(from, to, { reference: tag, tag, referrers: true });
  const { layers } = decodeImageManifest(await demandManifest(to, at));
  expect(layers.map(({ annotations }) => annotations?.["signer"])).toEqual(["both", "other", "one"]);
});

test("a copy has its tag last, when what refers to it is there", async () => {
  const from = createMemoryRegistry("one").repository(name);
  const to = createMemoryRegistry("two").repository(name);
  await fill(from);
  const written: string[] = [];
  const observed: Repository = {
    ...to,
    manifests: {
      ...to.manifests,
      write: async (manifest, call) => {
        written.push(call?.tag ?? "-");
        await to.manifests.write(manifest, call);
      },
    },
  };
  await copy(from, observed, { reference: tag, tag, referrers: true });
  expect(written.filter((one) => one === tag)).toEqual([tag]);
  expect(written.at(-1)).toBe(tag);
});
