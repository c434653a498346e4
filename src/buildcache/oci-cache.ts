import { inflate } from "../archive/gunzip.js";
import { readAll, utf8 } from "../base/bytes.js";
import type { Call } from "../base/call.js";
import { contentOf } from "../oci/content.js";
import { decodeImageManifest, encodeManifest } from "../oci/manifest.js";
import { mediaTypes } from "../oci/media-types.js";
import { parseTag, type Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import type { DagHash } from "../spec/dag-hash.js";
import type { CheckedNodes } from "../spec/hash-check.js";
import type { BuildCache, IndexStore, StoredIndex } from "./build-cache.js";
import { findEntry, readEntry } from "./entry.js";
import { decodeIndex, indexBroken, indexLimit } from "./index-document.js";
import { hashOfTag, indexTag, packageTag } from "./tag.js";

/** The tags of packages, by hash. */
export async function packageTags(repository: Repository, call?: Call): Promise<Map<DagHash, Tag>> {
  const tags = new Map<DagHash, Tag>();
  for await (const tag of repository.tags(call)) {
    const hash = hashOfTag(tag);
    if (hash !== undefined) tags.set(hash, tag);
  }
  return tags;
}

/** A repository as a build cache. A package of which name and version are known takes two requests, and no index. */
export function ociCache(repository: Repository): BuildCache {
  const { label, registry, name } = repository;
  let known: Promise<Map<DagHash, Tag>> | undefined;
  const checked: CheckedNodes = new Map();
  return {
    label,
    identity: `${registry}/${name}`,
    packages: (call) => packageTags(repository, call),
    names: (spec) => [packageTag(spec)],
    async find(tag, call) {
      const found = await findEntry(repository, parseTag(tag), { ...call, checked });
      return found && { metadataSize: found.config.size, read: found.read };
    },
    read: (tag, call) => readEntry(repository, parseTag(tag), { ...call, checked }),
    async resolve({ hash, name, version }, call) {
      if (name !== undefined && version !== undefined)
        return readEntry(repository, packageTag({ name, version, hash }), call);
      known ??= packageTags(repository, call);
      const tag = (await known).get(hash);
      return tag === undefined ? undefined : readEntry(repository, tag, call);
    },
    index: ociIndex(repository),
  };
}

const ociIndex = (repository: Repository): IndexStore => ({
  async state(call) {
    return (await repository.manifests.stat(indexTag, call))?.digest;
  },
  read: (call) => readIndex(repository, call),
  /** As Spack does: an OCI manifest whose one layer claims to be a gzipped tar and is plain JSON. */
  async write(document, call) {
    const layer = contentOf(document, mediaTypes.ociLayerGzip);
    const config = contentOf(utf8("{}"), mediaTypes.ociConfig);
    await Promise.all([layer, config].map((content) => repository.blobs.write(content, call)));
    const manifest = encodeManifest({
      mediaType: mediaTypes.ociManifest,
      schemaVersion: 2,
      config: config.descriptor,
      layers: [layer.descriptor],
    });
    await repository.manifests.write(manifest, { ...call, tag: indexTag });
    return manifest.descriptor.digest;
  },
});

/** Reads the index; undefined where the repository has none. @throws Failure `buildcache.index-broken` */
export async function readIndex(repository: Repository, call?: Call): Promise<StoredIndex | undefined> {
  const manifest = await repository.manifests.read(indexTag, call);
  if (manifest === undefined) return undefined;
  const subject = repository.label;
  const layer = decodeImageManifest(manifest).layers[0];
  if (layer === undefined) throw indexBroken(subject, "it has no layer");
  const bounds = { limit: indexLimit, subject };
  const stored = await readAll(repository.blobs.read(layer, call), bounds);
  // A copy by `skopeo copy`, which compresses what is plain: no Spack reads it.
  const gzipped = stored[0] === 0x1f && stored[1] === 0x8b;
  const bytes = gzipped ? await readAll(inflate([stored], { ...call, subject }), bounds) : stored;
  return {
    index: decodeIndex(bytes, { subject }),
    state: manifest.descriptor.digest,
    unreadable: gzipped,
  };
}
