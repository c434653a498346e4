import { utf8 } from "../../src/base/bytes.js";
import { type BuildcacheIndex, encodeIndex, type IndexNode } from "../../src/buildcache/index-document.js";
import { indexTag } from "../../src/buildcache/tag.js";
import { contentOf } from "../../src/oci/content.js";
import { encodeManifest } from "../../src/oci/manifest.js";
import { mediaTypes } from "../../src/oci/media-types.js";
import type { Repository } from "../../src/oci/repository.js";
import type { ConcreteSpec } from "../../src/spec/concrete-spec.js";
import type { DagHash } from "../../src/spec/dag-hash.js";
import { makePackage } from "./packages.js";

/** Packages that need a few made before them, as those of a large cache do; their hashes are right. */
export function manyPackages(count: number): readonly ConcreteSpec[] {
  const packages: ConcreteSpec[] = [];
  for (let i = 0; i < count; i += 1) {
    // A few that most need, and some of the last: neither a chain nor a heap.
    const needed = new Set([i % 7, i % 13, i >> 1, i - 17].filter((at) => at >= 0 && at < i));
    const dependencies = [...needed].flatMap((at) => packages[at] ?? []);
    packages.push(makePackage(`package-${i % 4000}`, `${1 + Math.floor(i / 4000)}.${i % 10}`, dependencies));
  }
  return packages;
}

export function indexOf(packages: readonly ConcreteSpec[]): BuildcacheIndex {
  const nodes = new Map<DagHash, IndexNode>(packages.map(({ hash, node }) => [hash, node]));
  return { nodes, present: new Set(nodes.keys()) };
}

export const largeIndex = (count: number): Uint8Array => encodeIndex(indexOf(manyPackages(count)));

/** Puts an index into a repository, whatever packages it has. */
export async function storeIndex(repository: Repository, bytes: Uint8Array): Promise<void> {
  const layer = contentOf(bytes, mediaTypes.ociLayerGzip);
  const config = contentOf(utf8("{}"), mediaTypes.ociConfig);
  for (const blob of [layer, config]) await repository.blobs.write(blob);
  const manifest = encodeManifest({
    mediaType: mediaTypes.ociManifest,
    schemaVersion: 2,
    config: config.descriptor,
    layers: [layer.descriptor],
  });
  await repository.manifests.write(manifest, { tag: indexTag });
}
