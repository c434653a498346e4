import { utf8 } from "../base/bytes.js";
import { type Call, checkInterrupted } from "../base/call.js";
import type { Clock, Random } from "../base/clock.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { type Digest, digestOf } from "../oci/digest.js";
import type { Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import type { DagHash } from "../spec/dag-hash.js";
import { type BrokenPackage, type IndexResult, updateIndex } from "./index-update.js";
import { ociCache } from "./oci-cache.js";
import { type KeepRules, planPrune, reached, removalSteps } from "./prune-plan.js";
import { type StoredPackage, type Survey, survey } from "./prune-survey.js";

export interface PruneOptions extends Call, KeepRules {
  readonly clock: Clock;
  readonly random: Random;
  readonly jobs: number;
  /** Tell what would go. */
  readonly dryRun?: boolean | undefined;
  /** Delete blobs, too: nobody else does in a layout on disk. A registry collects its own garbage. */
  readonly deleteBlobs?: boolean | undefined;
  /**
   * The same repository as its readers see it, and where its index is signed, where packages must be: what is not
   * trusted can be deleted, but is not indexed.
   */
  readonly trusted?: Repository | undefined;
}

export interface PruneResult {
  readonly removed: readonly StoredPackage[];
  readonly kept: number;
  /** Kept, because nothing tells when they were pushed. */
  readonly undated: readonly StoredPackage[];
  /** Deleted, and put back for packages that were pushed meanwhile and need them. */
  readonly restored: readonly StoredPackage[];
  /** Signatures and other things about manifests that are gone. */
  readonly companions: number;
  /** Blobs that nothing needs any more, and their bytes with those of the manifests. */
  readonly blobs: number;
  readonly bytes: number;
  readonly broken: readonly BrokenPackage[];
  readonly index: IndexResult | undefined;
}

/**
 * Takes packages out of a build cache that no rule keeps and nothing needs that one keeps.
 *
 * The index stops naming them first; then what needs others goes before these, each by the digest that was looked at,
 * so that a tag pushed anew meanwhile is safe. Then signatures. At every moment the index names only what is there,
 * and what is there has what it needs (docs/mirrors.md).
 * @throws Failure `buildcache.prune-nothing-kept`, `buildcache.prune-unsupported`
 */
export async function prune(repository: Repository, options: PruneOptions): Promise<PruneResult> {
  const { signal, report, jobs, dryRun = false, deleteBlobs = false, trusted = repository } = options;
  const call: Call = { signal, report };
  const before = await survey(repository, { ...call, jobs });
  const plan = planPrune(before.packages, options, { nodes: before.nodes, pinned: pinnedIn(before) });
  const packagesOf = (hashes: Iterable<DagHash>, { packages }: Survey = before): StoredPackage[] =>
    [...hashes].flatMap((hash) => packages.get(hash) ?? []);
  const resultOf = (
    remove: ReadonlySet<DagHash>,
    rest: Pick<PruneResult, "companions" | "index"> & { restored?: readonly StoredPackage[]; now?: Survey },
  ): PruneResult => {
    const unused = unusedBlobs(rest.now ?? before, remove);
    const removed = packagesOf(remove);
    const manifests = removed.reduce((sum, { manifest }) => sum + manifest.bytes.byteLength, 0);
    return {
      removed,
      kept: before.packages.size - remove.size,
      undated: packagesOf(plan.undated),
      restored: rest.restored ?? [],
      companions: rest.companions,
      blobs: unused.size,
      bytes: [...unused.values()].reduce((sum, size) => sum + size, manifests),
      broken: before.broken,
      index: rest.index,
    };
  };
  const orphans = await orphanedCompanions(repository, { found: before, gone: plan.remove, jobs, call });
  if (dryRun) return resultOf(plan.remove, { companions: orphans.length, index: undefined });
  if (plan.remove.size === 0 && orphans.length === 0)
    return resultOf(plan.remove, { companions: 0, index: undefined });

  await assertDeletes(repository, call);
  const first =
    plan.remove.size > 0
      ? await updateIndex(ociCache(withoutTags(trusted, packagesOf(plan.remove))), options)
      : undefined;
  // Whoever pushed since may count on what was about to go.
  const now = await survey(repository, { ...call, jobs, before });
  const needed = reached(
    [...now.packages.keys()].filter((hash) => !before.packages.has(hash)).concat(pinnedIn(now)),
    now.nodes,
    options,
  );
  const remove = new Set([...plan.remove].filter((hash) => !needed.has(hash)));
  try {
    for (const step of removalSteps(remove, before.nodes))
      await mapLimited(packagesOf(step), jobs, (one) => removePackage(repository, one, call));
  } catch (error) {
    // What could not be deleted is still there to be found; where that fails, too, the next update of anybody does it.
    await updateIndex(ociCache(trusted), options).catch(() => undefined);
    throw error;
  }

  const after = await survey(repository, { ...call, jobs, before: now });
  const late = reached(
    [...after.packages.keys()].filter((hash) => !now.packages.has(hash)),
    after.nodes,
    options,
  );
  const restored = packagesOf([...remove].filter((hash) => late.has(hash)));
  // As it was, with the signatures that it had: nobody vouches for it anew.
  for (const { manifest, tag } of restored) await repository.manifests.write(manifest, { ...call, tag });
  for (const { spec } of restored) remove.delete(spec.hash);

  const companions = await removeCompanions(repository, { found: after, gone: remove, jobs, call });
  if (deleteBlobs)
    for (const digest of unusedBlobs(after, remove).keys()) await repository.blobs.delete(digest, call);
  const last = await updateIndex(ociCache(trusted), options);
  // Where nobody else wrote, the second finds that all is as the first left it.
  const index: IndexResult = {
    ...last,
    added: last.added + (first?.added ?? 0),
    dropped: last.dropped + (first?.dropped ?? 0),
    written: last.written || first?.written === true,
  };
  return resultOf(remove, { companions, restored, index, now: after });
}

/** Packages whose manifests another tag names: deleting one would delete the other. */
const pinnedIn = ({ packages, held }: Survey): DagHash[] =>
  [...packages].flatMap(([hash, { manifest }]) => (held.has(manifest.descriptor.digest) ? [hash] : []));

/** Blobs that only these packages have, with their sizes. */
function unusedBlobs({ packages, held }: Survey, gone: ReadonlySet<DagHash>): ReadonlyMap<Digest, number> {
  const used = new Set(held);
  for (const [hash, { blobs }] of packages)
    if (!gone.has(hash)) for (const { digest } of blobs) used.add(digest);
  const unused = new Map<Digest, number>();
  for (const hash of gone)
    for (const { digest, size } of packages.get(hash)?.blobs ?? [])
      if (!used.has(digest)) unused.set(digest, size);
  return unused;
}

/** A repository as it will be: its index can be written before anything is deleted. */
function withoutTags(repository: Repository, gone: readonly StoredPackage[]): Repository {
  const hidden = new Set<Tag>(gone.map(({ tag }) => tag));
  return {
    ...repository,
    async *tags(call) {
      for await (const tag of repository.tags(call)) if (!hidden.has(tag)) yield tag;
    },
  };
}

/** Deletes by digest: a tag that names something else by now is not touched. */
async function removePackage(
  repository: Repository,
  { manifest, tag }: StoredPackage,
  call: Call,
): Promise<void> {
  checkInterrupted(call);
  const task = { id: `prune ${tag}`, verb: "delete", subject: tag } as const;
  const { digest } = manifest.descriptor;
  call.report?.({ type: "started", task });
  await repository.manifests.delete(digest, call);
  // Some answer that all is well and delete nothing.
  if ((await repository.manifests.stat(digest, call)) !== undefined) throw cannotDelete(repository);
  call.report?.({ type: "finished", task, outcome: "deleted" });
}

/** Finds out whether deleting works by what is not there, before anything is changed. */
async function assertDeletes(repository: Repository, call: Call): Promise<void> {
  try {
    await repository.manifests.delete(digestOf(utf8("no manifest has these bytes")), call);
  } catch (error) {
    if (error instanceof Failure && error.code === "oci.delete-unsupported")
      throw cannotDelete(repository, error);
    throw error;
  }
}

/** How things are deleted where the registry's API does not. */
function cannotDelete({ registry, label }: Repository, cause?: unknown): Failure {
  const host = /^https?:\/\/([^/:]+)/.exec(registry)?.[1] ?? "";
  const hint =
    host === "ghcr.io"
      ? "GitHub deletes by its own API: take the tags from --dry-run, then `gh api --method DELETE /orgs/ORG/packages/container/NAME/versions/ID`."
      : host.endsWith("docker.io")
        ? "Docker Hub deletes on its web page, or by its own API: DELETE https://hub.docker.com/v2/repositories/NAME/tags/TAG; --dry-run tells the tags."
        : "Allow it there (docker-registry: storage.delete.enabled, or REGISTRY_STORAGE_DELETE_ENABLED=true), or delete the tags that --dry-run tells by its own interface.";
  return new Failure("unsupported", `${label} does not let anybody delete`, {
    code: "buildcache.prune-unsupported",
    subject: label,
    hint,
    cause,
  });
}

interface Companions {
  readonly found: Survey;
  readonly gone: ReadonlySet<DagHash>;
  readonly jobs: number;
  readonly call: Call;
}

/** Tags of signatures whose manifests are going, or are gone since an earlier run was interrupted. */
async function orphanedCompanions(
  repository: Repository,
  { found, gone, jobs, call }: Companions,
): Promise<readonly Tag[]> {
  const going = new Set(
    [...gone].flatMap((hash) => found.packages.get(hash)?.manifest.descriptor.digest ?? []),
  );
  const there = new Set([...found.packages.values()].map(({ manifest }) => manifest.descriptor.digest));
  const orphaned = await mapLimited(found.companions, jobs, async ([tag, digest]) => {
    if (going.has(digest)) return [tag];
    if (there.has(digest) || found.held.has(digest)) return [];
    // Of an image that only its digest names, or of the index.
    return (await repository.manifests.stat(digest, call)) === undefined ? [tag] : [];
  });
  return orphaned.flat();
}

/** Deletes what speaks of manifests that are gone, and what speaks of that. */
async function removeCompanions(repository: Repository, companions: Companions): Promise<number> {
  const { found, gone, jobs, call } = companions;
  const digests = packagesDigests(companions);
  const referring = await mapLimited(digests, jobs, (digest) => referrersOf(repository, digest, call));
  const tags = await orphanedCompanions(repository, companions);
  const tagged = await mapLimited(
    tags,
    jobs,
    async (tag) => (await repository.manifests.stat(tag, call))?.digest,
  );
  // One manifest can have many tags (an empty list of referrers, say): those that stay keep it.
  const staying = await mapLimited(
    [...found.companions.keys()].filter((tag) => !tags.includes(tag)),
    jobs,
    async (tag) => (await repository.manifests.stat(tag, call))?.digest,
  );
  const kept = new Set([...found.held, ...staying]);
  for (const [hash, { manifest }] of found.packages)
    if (!gone.has(hash)) kept.add(manifest.descriptor.digest);
  const remove = new Set([...referring.flat(), ...tagged].filter((digest) => digest !== undefined));
  for (const digest of remove) {
    if (kept.has(digest)) continue;
    checkInterrupted(call);
    await repository.manifests.delete(digest, call);
  }
  return remove.size;
}

const packagesDigests = ({ found, gone }: Companions): readonly Digest[] =>
  [...gone].flatMap((hash) => found.packages.get(hash)?.manifest.descriptor.digest ?? []);

/** What refers to a manifest, and to that: a signature of an SBOM. Last what refers to most. */
async function referrersOf(
  repository: Repository,
  digest: Digest,
  call: Call,
  depth = 0,
): Promise<readonly Digest[]> {
  const found: Digest[] = [];
  for (const entry of await repository.referrers(digest, call)) {
    if (depth < 3) found.push(...(await referrersOf(repository, entry.digest, call, depth + 1)));
    found.push(entry.digest);
  }
  return found;
}
