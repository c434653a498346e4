import { inflate } from "../archive/gunzip.js";
import { readAll, utf8 } from "../base/bytes.js";
import { type Call, checkInterrupted } from "../base/call.js";
import type { Clock, Random } from "../base/clock.js";
import { Failure, type FailureDocument } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { contentOf } from "../oci/content.js";
import type { Digest } from "../oci/digest.js";
import { RegistryFailure } from "../oci/errors.js";
import { decodeImageManifest, encodeManifest } from "../oci/manifest.js";
import { mediaTypes } from "../oci/media-types.js";
import type { Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import type { DagHash } from "../spec/dag-hash.js";
import { readEntry } from "./entry.js";
import {
  type BuildcacheIndex,
  decodeIndex,
  emptyIndex,
  encodeIndex,
  type IndexNode,
  restrictIndex,
} from "./index-document.js";
import { currentNode } from "./index-node.js";
import { hashOfTag, indexTag } from "./tag.js";

/** Largest index that is read. 153,000 packages make about 200 MB. */
const indexLimit = 1024 * 1024 * 1024;

/** Times that the index is written before giving up: each is lost only to a writer who came in between. */
const maxWrites = 12;

export interface StoredIndex {
  readonly index: BuildcacheIndex;
  /** Digest of its manifest: what tells two states apart. */
  readonly manifest: Digest;
  /** Whether it is gzipped, which Spack cannot read: a copy by `skopeo copy`, which compresses what is plain. */
  readonly gzipped: boolean;
}

/** A tag that should be a package and is not. It is left out of the index, and reported. */
export interface BrokenTag {
  readonly tag: Tag;
  readonly failure: FailureDocument;
}

export interface IndexResult {
  /** Packages in the index now. */
  readonly packages: number;
  readonly added: number;
  readonly dropped: number;
  readonly broken: readonly BrokenTag[];
  /** Whether it was written; false where it was right already. */
  readonly written: boolean;
  readonly digest: Digest | undefined;
  readonly bytes: number;
}

/** Reads the index; undefined where the build cache has none. @throws Failure `buildcache.index-broken` */
export async function readIndex(repository: Repository, call?: Call): Promise<StoredIndex | undefined> {
  const manifest = await repository.manifests.read(indexTag, call);
  if (manifest === undefined) return undefined;
  const subject = repository.label;
  const layer = decodeImageManifest(manifest).layers[0];
  if (layer === undefined)
    throw new Failure("corrupt", `the index of ${subject} has no layer`, {
      code: "buildcache.index-broken",
      subject,
      hint: "Run `stowage buildcache update-index --full MIRROR` to build it again from the packages.",
    });
  const bounds = { limit: indexLimit, subject };
  const stored = await readAll(repository.blobs.read(layer, call), bounds);
  const gzipped = stored[0] === 0x1f && stored[1] === 0x8b;
  const bytes = gzipped ? await readAll(inflate([stored], { ...call, subject }), bounds) : stored;
  return { index: decodeIndex(bytes, { subject }), manifest: manifest.descriptor.digest, gzipped };
}

/** Writes the index as Spack does: an OCI manifest whose one layer claims to be a gzipped tar and is plain JSON. */
async function writeIndex(repository: Repository, bytes: Uint8Array, call: Call): Promise<Digest> {
  const layer = contentOf(bytes, mediaTypes.ociLayerGzip);
  const config = contentOf(utf8("{}"), mediaTypes.ociConfig);
  await repository.blobs.write(layer, call);
  await repository.blobs.write(config, call);
  const manifest = encodeManifest({
    mediaType: mediaTypes.ociManifest,
    schemaVersion: 2,
    config: config.descriptor,
    layers: [layer.descriptor],
  });
  await repository.manifests.write(manifest, { ...call, tag: indexTag });
  return manifest.descriptor.digest;
}

/** The tags of packages, by hash. */
export async function packageTags(repository: Repository, call?: Call): Promise<Map<DagHash, Tag>> {
  const tags = new Map<DagHash, Tag>();
  for await (const tag of repository.tags(call)) {
    const hash = hashOfTag(tag);
    if (hash !== undefined) tags.set(hash, tag);
  }
  return tags;
}

export interface UpdateIndexOptions extends Call {
  readonly clock: Clock;
  readonly random: Random;
  /** Read every package again instead of trusting the old index for those it knows. */
  readonly full?: boolean | undefined;
  /** Packages read at once. */
  readonly jobs?: number | undefined;
}

/**
 * Makes the index say what the repository's tags say.
 *
 * The index is a function of the tags; the old one only saves reading what is known. After each write the tags
 * are listed again, and the write repeated until nothing was missed: whoever writes last has therefore listed
 * all tags after the last write of anybody else, so that no package is lost (docs/index.md).
 *
 * Costs: the tag pages and the old index, two requests for each new package, and one write.
 */
export async function updateIndex(repository: Repository, options: UpdateIndexOptions): Promise<IndexResult> {
  const { clock, random, full = false, jobs = 16, signal, report } = options;
  const call: Call = { signal, report };
  const task = { id: "index", verb: "index", subject: repository.label } as const;
  report?.({ type: "started", task });

  const nodes = new Map<DagHash, IndexNode>();
  const read = new Set<DagHash>();
  const broken = new Map<DagHash, BrokenTag>();
  const old = await readOldIndex(repository, { full, call });
  for (const [hash, node] of old?.index.nodes ?? []) nodes.set(hash, node);
  const rewrite = full || old?.gzipped === true;
  if (!full) for (const hash of old?.index.present ?? []) read.add(hash);

  let digest = old?.manifest;
  let current = old?.index ?? emptyIndex;
  let bytes = 0;
  let writes = 0;
  let rested = true;
  for (;;) {
    checkInterrupted(call);
    const tags = await packageTags(repository, call);
    if (writes > 0 && (await repository.manifests.stat(indexTag, call))?.digest !== digest) {
      // Somebody else wrote since; what they know need not be read again, and may be all there is to know.
      const theirs = await readOldIndex(repository, { full: true, call });
      current = theirs?.index ?? emptyIndex;
      digest = theirs?.manifest;
      if (!full) for (const [hash, node] of current.nodes) nodes.set(hash, node);
      if (!full) for (const hash of current.present) read.add(hash);
    }
    const unread = [...tags].filter(([hash]) => !read.has(hash) && !broken.has(hash));
    await mapLimited(unread, jobs, async ([hash, tag]) => {
      const found = await readNodes(repository, tag, call);
      if (found === "gone") return;
      if ("failure" in found) {
        broken.set(hash, found);
        report?.({ type: "note", level: "warning", message: `left out ${tag}: ${found.failure.message}` });
        return;
      }
      for (const [key, node] of found.nodes) nodes.set(key, node);
      read.add(hash);
    });
    const next = restrictIndex(nodes, new Set([...tags.keys()].filter((hash) => read.has(hash))));
    if (digest !== undefined && sameIndex(current, next) && !(rewrite && writes === 0)) break;
    if (!rested) {
      // Writers who collided once would collide again in step. After a random pause, one of them may have done it all.
      rested = true;
      await clock.sleep(random() * 100 * 2 ** Math.min(writes, 6), signal);
      continue;
    }
    if (writes === maxWrites)
      throw new Failure(
        "unavailable",
        `the index of ${repository.label} was replaced by others ${maxWrites} times while it was written`,
        {
          code: "buildcache.index-contended",
          subject: repository.label,
          hint: "Run `stowage buildcache update-index` again when fewer others push.",
        },
      );
    const encoded = encodeIndex(next);
    bytes = encoded.byteLength;
    digest = await writeIndex(repository, encoded, call);
    current = next;
    writes += 1;
    rested = false;
  }
  const before = old?.index.present ?? new Set();
  report?.({ type: "finished", task, outcome: `${current.present.size} packages` });
  return {
    packages: current.present.size,
    added: [...current.present].filter((hash) => !before.has(hash)).length,
    dropped: [...before].filter((hash) => !current.present.has(hash)).length,
    broken: [...broken.values()],
    written: writes > 0,
    digest,
    bytes,
  };
}

/** The old index where it can be used; one that cannot be read is reported and built anew. */
async function readOldIndex(
  repository: Repository,
  { full, call }: { full: boolean; call: Call },
): Promise<StoredIndex | undefined> {
  try {
    return await readIndex(repository, call);
  } catch (error) {
    if (!(error instanceof Failure) || error.kind !== "corrupt") throw error;
    if (!full)
      call.report?.({ type: "note", level: "warning", message: `${error.message}; building it anew` });
    return undefined;
  }
}

/** The nodes of one package; a tag that vanished since it was listed is `gone`, a broken one a value. */
async function readNodes(
  repository: Repository,
  tag: Tag,
  call: Call,
): Promise<{ nodes: Map<DagHash, IndexNode> } | BrokenTag | "gone"> {
  // What came damaged may have been so on its way: it is asked for once more.
  for (let again = true; ; again = false) {
    try {
      const entry = await readEntry(repository, tag, call);
      if (entry === undefined) return "gone";
      const { graph } = entry;
      return {
        nodes: new Map([...graph.nodes].map(([hash, { node }]) => [hash, currentNode(node, graph.format)])),
      };
    } catch (error) {
      if (!(error instanceof Failure) || !isOfTheTag(error)) throw error;
      if (!again || error.kind !== "corrupt") return { tag, failure: error.toJSON() };
    }
  }
}

/** Whether the package itself is to blame; a registry that refuses or cannot be reached is no broken tag. */
function isOfTheTag(error: Failure): boolean {
  if (error.code === "oci.blob-missing" || error.kind === "corrupt") return true;
  return error.kind === "unsupported" && !(error instanceof RegistryFailure);
}

function sameIndex(a: BuildcacheIndex, b: BuildcacheIndex): boolean {
  const same = <T>(
    x: ReadonlySet<T> | ReadonlyMap<T, unknown>,
    y: ReadonlySet<T> | ReadonlyMap<T, unknown>,
  ): boolean => x.size === y.size && [...x.keys()].every((key) => y.has(key));
  return same(a.present, b.present) && same(a.nodes, b.nodes);
}
