import { expect, test } from "vitest";
import { utf8 } from "../base/bytes.js";
import { contentOf } from "../oci/content.js";
import { digestOf } from "../oci/digest.js";
import { encodeManifest } from "../oci/manifest.js";
import { mediaTypes } from "../oci/media-types.js";
import { createMemoryRegistry } from "../oci/memory.js";
import { parseRepositoryName, parseTag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { baseAnnotations, copyLayers, readBaseImage, withoutBase } from "./base-image.js";
import { composeImage } from "./compose.js";

const registry = createMemoryRegistry();
const repository = registry.repository(parseRepositoryName("base"));
const at = { domain: "", name: repository.name };

/** Puts an image of one layer into a repository; its layer says for which platform it is. */
async function storeImage(into: Repository, architecture: string, variant?: string) {
  const layer = contentOf(utf8(`${architecture}/${variant}`), mediaTypes.ociLayerGzip);
  await into.blobs.write(layer);
  const { manifest, config } = composeImage({
    layers: [{ descriptor: layer.descriptor, diffId: digestOf(utf8(architecture)) }],
    platform: { os: "linux", architecture },
    environment: new Map([["LANG", "C"]]),
  });
  await into.blobs.write(contentOf(config.bytes));
  await into.manifests.write(manifest);
  return { ...manifest.descriptor, platform: { os: "linux", architecture, ...(variant && { variant }) } };
}

const platforms = await Promise.all([
  storeImage(repository, "amd64"),
  storeImage(repository, "arm", "v6"),
  storeImage(repository, "arm", "v7"),
]);
const index = encodeManifest({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: platforms });
await repository.manifests.write(index, { tag: parseTag("12") });

const read = (options: { architecture: string; variant?: string }, tag = "12") =>
  readBaseImage(repository, { ...at, tag: parseTag(tag), digest: undefined }, { os: "linux", ...options });

test("of an image for several platforms the one asked for is read, variant included", async () => {
  expect((await read({ architecture: "amd64" })).manifest.descriptor.digest).toBe(platforms[0]?.digest);
  expect((await read({ architecture: "arm" })).manifest.descriptor.digest).toBe(platforms[2]?.digest);
  const v6 = await read({ architecture: "arm", variant: "v6" });
  expect(v6.manifest.descriptor.digest).toBe(platforms[1]?.digest);
});

test("by digest the tag does not matter", async () => {
  const digest = index.descriptor.digest;
  const options = { os: "linux", architecture: "amd64" };
  const base = await readBaseImage(repository, { ...at, tag: undefined, digest }, options);
  expect(base.label).toContain(`@${digest}`);
});

test("a platform, an image and a variant that are not there are refused by name", async () => {
  await expect(read({ architecture: "s390x" })).rejects.toMatchObject({ code: "image.platform-missing" });
  await expect(read({ architecture: "arm", variant: "v5" })).rejects.toMatchObject({
    code: "image.platform-missing",
  });
  await expect(read({ architecture: "amd64" }, "13")).rejects.toMatchObject({ code: "image.base-missing" });
});

test("layers are mounted from another repository of the same registry, and copied from another's", async () => {
  const base = await read({ architecture: "amd64" });
  for (const [name, to] of [
    ["mounted", registry],
    ["written", createMemoryRegistry("other")],
  ] as const) {
    const target = to.repository(parseRepositoryName("target"));
    const outcomes: string[] = [];
    const write: Repository["blobs"]["write"] = async (content, call) => {
      const outcome = await target.blobs.write(content, call);
      outcomes.push(outcome);
      return outcome;
    };
    await copyLayers(base, { ...target, blobs: { ...target.blobs, write } });
    expect(outcomes).toEqual([name]);
  }
});

test("an image says which base it has; one that gets another says nothing of the old", async () => {
  const base = await read({ architecture: "amd64" });
  const title = { "org.opencontainers.image.title": "greet" };
  expect(baseAnnotations(base)).toEqual({
    "org.opencontainers.image.base.digest": platforms[0]?.digest,
    "org.opencontainers.image.base.name": "memory/base:12",
  });
  expect(withoutBase({ ...title, ...baseAnnotations(base) })).toEqual(title);
});
