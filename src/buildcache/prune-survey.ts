import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import type { Descriptor } from "../oci/descriptor.js";
import { type Digest, isDigest } from "../oci/digest.js";
import { decodeImageIndex, decodeImageManifest } from "../oci/manifest.js";
import { isImageIndex, isImageManifest } from "../oci/media-types.js";
import type { Tag } from "../oci/reference.js";
import type { Manifest, Repository } from "../oci/repository.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { type OciEntry, readEntry } from "./entry.js";
import type { BrokenPackage } from "./index-update.js";
import type { DatedPackage } from "./prune-plan.js";
import { hashOfTag } from "./tag.js";

/** A package as it is stored. */
export interface StoredPackage extends DatedPackage {
  readonly tag: Tag;
  readonly manifest: Manifest;
  /** Config and layers. */
  readonly blobs: readonly Descriptor[];
}

/** All that a repository's tags name. */
export interface Survey {
  readonly packages: Map<DagHash, StoredPackage>;
  /** Every node that a package knows of. */
  readonly nodes: Map<DagHash, ConcreteSpec>;
  /** Tags that should be packages and are not: they are left alone. */
  readonly broken: BrokenPackage[];
  /** Tags made of a digest: signatures, and lists of referrers, of manifests that may be gone. */
  readonly companions: Map<Tag, Digest>;
  /** Manifests and blobs that other tags need: images, and whatever else people keep beside packages. */
  readonly held: Set<Digest>;
  readonly tags: Set<Tag>;
}

/** `sha256-3f2a….sig`: cosign's signatures, attestations and SBOMs, and what stands in for the referrers API. */
const companionTag = /^(sha256|sha512)-([0-9a-f]{64,128})(\.[a-z0-9]+)?$/;

/**
 * Reads what all tags name; of what `before` has read already, nothing again.
 *
 * Costs: the tag pages, two requests for each package and one for each other tag.
 */
export async function survey(
  repository: Repository,
  { jobs, before, ...call }: Call & { readonly jobs: number; readonly before?: Survey | undefined },
): Promise<Survey> {
  const found: Survey = {
    packages: new Map(before?.packages),
    nodes: new Map(before?.nodes),
    broken: [...(before?.broken ?? [])],
    companions: new Map(before?.companions),
    held: new Set(before?.held),
    tags: new Set(),
  };
  for await (const tag of repository.tags(call)) found.tags.add(tag);
  const unread = [...found.tags].filter((tag) => before?.tags.has(tag) !== true);
  await mapLimited(unread, jobs, async (tag) => {
    checkInterrupted(call);
    const hash = hashOfTag(tag);
    const companion = companionTag.exec(tag);
    const digest = companion === null ? "" : `${companion[1]}:${companion[2]}`;
    if (hash !== undefined) await readPackage(hash, tag);
    else if (isDigest(digest)) found.companions.set(tag, digest);
    else await hold(await repository.manifests.read(tag, call));
  });
  return found;

  async function readPackage(hash: DagHash, tag: Tag): Promise<void> {
    try {
      const entry = await readEntry(repository, tag, call);
      if (entry === undefined) return;
      for (const [key, node] of entry.graph.nodes) if (!found.nodes.has(key)) found.nodes.set(key, node);
      const { spec, manifest, image } = entry;
      const blobs = [image.config, ...image.layers];
      found.packages.set(hash, { spec, tag, manifest, blobs, pushedAt: pushedAt(entry) });
    } catch (error) {
      if (!(error instanceof Failure) || (error.kind !== "corrupt" && error.code !== "oci.blob-missing"))
        throw error;
      found.broken.push({ name: tag, failure: error.toJSON() });
      // What it shares with packages is none of its fault.
      await hold(await manifestOf(tag));
    }
  }

  /** Undefined where the tag's manifest itself is what is damaged: then nobody can tell what it needs. */
  async function manifestOf(tag: Tag): Promise<Manifest | undefined> {
    try {
      return await repository.manifests.read(tag, call);
    } catch (error) {
      if (error instanceof Failure && error.kind === "corrupt") return undefined;
      throw error;
    }
  }

  /** Whatever a manifest names is needed by it, and so is what that names. */
  async function hold(manifest: Manifest | undefined): Promise<void> {
    if (manifest === undefined || found.held.has(manifest.descriptor.digest)) return;
    const { digest, mediaType } = manifest.descriptor;
    found.held.add(digest);
    if (isImageIndex(mediaType))
      for (const child of decodeImageIndex(manifest).manifests) {
        checkInterrupted(call);
        await hold(await repository.manifests.read(child.digest, call));
      }
    else if (isImageManifest(mediaType)) {
      const { config, layers } = decodeImageManifest(manifest);
      for (const blob of [config, ...layers]) found.held.add(blob.digest);
    }
  }
}

/** When a package was pushed, as Spack 0.23 and later, and stowage, write it down. */
function pushedAt({ config, image }: OciEntry): number | undefined {
  for (const text of [config["archive_timestamp"], image.annotations?.["org.opencontainers.image.created"]]) {
    const time = typeof text === "string" ? Date.parse(text) : Number.NaN;
    if (!Number.isNaN(time)) return time;
  }
  return undefined;
}
