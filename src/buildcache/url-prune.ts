import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { digestOf } from "../oci/digest.js";
import type { DagHash } from "../spec/dag-hash.js";
import { type BrokenPackage, type IndexResult, updateIndex } from "./index-update.js";
import { viewIndices } from "./index-views.js";
import type { ListedObject, ObjectStore } from "./object-store.js";
import type { PruneOptions } from "./prune.js";
import { hasRules, nothingKept, planPrune, reached, removalSteps } from "./prune-plan.js";
import { objectOf, readSmall, type UrlCache, urlCache } from "./url-cache.js";
import { hasV2 } from "./url-caches.js";
import { blobFolder, hashOfSpecManifest } from "./url-layout-v3.js";
import {
  type FiledPackage,
  type FileSurvey,
  isBlobName,
  nameOf,
  type StoredManifest,
  surveyFiles,
} from "./url-prune-survey.js";

export interface FilePruneOptions extends Omit<PruneOptions, "deleteBlobs"> {
  /** Younger files (milliseconds) may be half of a push under way: they stay, though nothing names them. */
  readonly grace: number;
}

export interface FilePruneResult {
  readonly removed: readonly FiledPackage[];
  /** Paths of manifests that went because what they name is not there. */
  readonly orphans: readonly string[];
  readonly kept: number;
  /** Kept, because nothing tells when they were pushed. */
  readonly undated: readonly FiledPackage[];
  /** Deleted, and put back for packages that were pushed meanwhile and need them. */
  readonly restored: readonly FiledPackage[];
  /** Blobs that nothing names any more, and their bytes with those of the manifests. */
  readonly blobs: number;
  readonly bytes: number;
  readonly broken: readonly BrokenPackage[];
  readonly index: IndexResult | undefined;
}

/**
 * Takes packages out of a mirror of files that no rule keeps and nothing needs that one keeps; and, as Spack does,
 * manifests whose blobs are not there and blobs that no manifest names.
 *
 * The indices stop naming what goes first; then manifests go, what needs others before these; then blobs. At every
 * moment an index names only what is there, and what is there has what it needs (docs/mirrors.md).
 * @throws Failure `buildcache.prune-nothing-kept`, `buildcache.prune-old-layout`, `mirror.missing`, `mirror.read-only`
 */
export async function pruneFiles(store: ObjectStore, options: FilePruneOptions): Promise<FilePruneResult> {
  const { signal, report, jobs, dryRun = false, grace, clock } = options;
  const call: Call = { signal, report };
  const look = (before?: FileSurvey): Promise<FileSurvey> =>
    surveyFiles(store, { ...call, jobs, specs: hasRules(options), before });
  const isOld = ({ writtenAt }: ListedObject): boolean =>
    writtenAt !== undefined && writtenAt <= clock.now() - grace;

  const blobs = await blobsIn(store, call);
  const before = await look();
  if (before.manifests.size === 0 && blobs.size === 0) await refuseEmpty(store, call);
  const orphans = await orphansIn(before, { store, blobs, isOld, jobs, call });
  const orphaned = new Set(orphans);
  const sound = new Map([...before.packages].filter(([, { manifest }]) => !orphaned.has(manifest)));
  const plan = planPrune(sound, options, { nodes: before.nodes, pinned: [] });
  const packagesOf = (hashes: Iterable<DagHash>): FiledPackage[] =>
    [...hashes].flatMap((hash) => sound.get(hash) ?? []);
  const going = [...orphans, ...packagesOf(plan.remove).map(({ manifest }) => manifest)];
  const unneeded = blobsWithout(going, { blobs, found: before, isOld });
  const resultOf = (
    gone: ReadonlySet<StoredManifest>,
    deleted: readonly ListedObject[],
    rest: Partial<Pick<FilePruneResult, "restored" | "index">> & { late?: BrokenPackage[] } = {},
  ): FilePruneResult => {
    const left = specManifests(before).filter((manifest) => !gone.has(manifest));
    return {
      removed: packagesOf(plan.remove).filter(({ manifest }) => gone.has(manifest)),
      orphans: orphans.filter((manifest) => gone.has(manifest)).map(({ path }) => path),
      kept: left.filter(({ path }) => !before.broken.has(path)).length,
      undated: packagesOf(plan.undated),
      restored: rest.restored ?? [],
      blobs: deleted.length,
      bytes: [...gone, ...deleted].reduce((sum, { size }) => sum + size, 0),
      broken: [...left.flatMap(({ path }) => before.broken.get(path) ?? []), ...(rest.late ?? [])],
      index: rest.index,
    };
  };
  if (dryRun || going.length + unneeded.length === 0) return resultOf(new Set(going), unneeded);

  const cache = urlCache(store);
  const views = await viewIndices(store, [...before.manifests.keys()], call);
  const first = going.length === 0 ? undefined : await updateIndex(without(cache, going), options);
  for (const view of views) await view.leaveOut(new Set(hashesOf(going)));
  /** Makes the indices name all that is there in the end. */
  const settle = async (): Promise<IndexResult> => {
    const result = await updateIndex(cache, options);
    const there = await cache.packages(call);
    const lost = new Set(hashesOf(going).filter((hash) => !there.has(hash)));
    for (const view of views) await view.leaveOut(lost);
    return result;
  };

  // Whoever pushed since may count on what was about to go.
  const now = await look(before);
  const needed = reached(newIn(now, before), now.nodes, options);
  const remove = new Set([...plan.remove].filter((hash) => !needed.has(hash)));
  const gone = new Map<StoredManifest, Uint8Array>();
  try {
    const steps = removalSteps(remove, before.nodes).map(packagesOf);
    for (const step of [orphans, ...steps.map((step) => step.map(({ manifest }) => manifest))])
      await mapLimited(step, jobs, async (manifest) => {
        const bytes = await removeManifest(store, manifest, call);
        if (bytes !== undefined) gone.set(manifest, bytes);
      });
  } catch (error) {
    // What could not be deleted is still there to be found; where that fails, too, the next update of anybody does it.
    await settle().catch(() => undefined);
    throw error;
  }

  const after = await look(now);
  const late = reached(newIn(after, now), after.nodes, options);
  const restored = packagesOf(remove).filter(
    ({ spec, manifest }) => late.has(spec.hash) && gone.has(manifest),
  );
  for (const { manifest } of restored) {
    const content = objectOf(gone.get(manifest) ?? new Uint8Array());
    await store.write(manifest.path, content, { ...call, replace: false });
    gone.delete(manifest);
  }
  const named = namesIn([...after.manifests.values(), ...restored.map(({ manifest }) => manifest)]);
  const deleted = unneeded.filter(({ path }) => !named.has(nameOf(path)));
  await mapLimited(deleted, jobs, (blob) => store.delete(blob.path, call));

  const last = going.length === 0 ? undefined : await settle();
  return resultOf(new Set(gone.keys()), deleted, {
    restored,
    late: deleted.length === 0 ? [] : damagedBy(deleted, await look(after), after),
    index: last && {
      ...last,
      added: last.added + (first?.added ?? 0),
      dropped: last.dropped + (first?.dropped ?? 0),
      written: last.written || first?.written === true,
    },
  });
}

/** @throws Failure `mirror.read-only` where there is no listing, so that what nothing names cannot be found */
async function blobsIn(store: ObjectStore, call: Call): Promise<ReadonlyMap<string, ListedObject>> {
  if (store.objects === undefined)
    throw new Failure("unsupported", `${store.label} can only be read: nothing can be deleted there`, {
      code: "mirror.read-only",
      subject: store.label,
      hint: "Prune it where its files are (file://, s3://).",
    });
  const found = new Map<string, ListedObject>();
  for await (const blob of store.objects(blobFolder, call)) found.set(blob.path, blob);
  return found;
}

async function refuseEmpty(store: ObjectStore, call: Call): Promise<never> {
  if (await hasV2(store, call))
    throw new Failure("unsupported", `${store.label} has layout 2, which is only read`, {
      code: "buildcache.prune-old-layout",
      subject: store.label,
      hint: "Run `stowage buildcache migrate MIRROR`, prune what that wrote, and delete the folder build_cache.",
    });
  throw new Failure("not-found", `there is no build cache at ${store.label}`, {
    code: "mirror.missing",
    subject: store.label,
    hint: "Check the path; `stowage buildcache push` makes a mirror where there is none.",
  });
}

const specManifests = ({ manifests }: FileSurvey): readonly StoredManifest[] =>
  [...manifests.values()].filter(({ path }) => hashOfSpecManifest(path) !== undefined);

const hashesOf = (manifests: readonly StoredManifest[]): readonly DagHash[] =>
  manifests.flatMap(({ path }) => hashOfSpecManifest(path) ?? []);

const namesIn = (manifests: Iterable<StoredManifest>): ReadonlySet<string> =>
  new Set([...manifests].flatMap(({ names }) => [...names]));

interface OrphanSearch {
  readonly store: ObjectStore;
  readonly blobs: ReadonlyMap<string, ListedObject>;
  readonly isOld: (object: ListedObject) => boolean;
  readonly jobs: number;
  readonly call: Call;
}

/**
 * Manifests of packages that lack a blob: a listing that is not whole would make orphans of all, so each is asked for.
 * @throws Failure `buildcache.prune-nothing-kept`
 */
async function orphansIn(
  found: FileSurvey,
  { store, blobs, isOld, jobs, call }: OrphanSearch,
): Promise<readonly StoredManifest[]> {
  const all = specManifests(found);
  const orphans = await mapLimited(all, jobs, async (manifest) => {
    const missing = manifest.needs.filter((path) => !blobs.has(path));
    if (missing.length === 0 || !isOld(manifest)) return [];
    for (const path of missing) if ((await store.stat(path, call)) === undefined) return [manifest];
    return [];
  });
  // More likely somebody moved the blobs than that none is worth anything.
  if (all.length > 0 && orphans.flat().length === all.length)
    throw nothingKept(`blobs are missing of all ${all.length} packages of ${store.label}`);
  return orphans.flat();
}

/** Blobs that will not be needed once these are gone: theirs, and older ones that nothing names. */
function blobsWithout(
  gone: readonly StoredManifest[],
  { blobs, found, isOld }: Pick<OrphanSearch, "blobs" | "isOld"> & { readonly found: FileSurvey },
): readonly ListedObject[] {
  const freed = namesIn(gone);
  const leaving = new Set(gone);
  const named = namesIn([...found.manifests.values()].filter((manifest) => !leaving.has(manifest)));
  return [...blobs.values()].filter((blob) => {
    const name = nameOf(blob.path);
    return isBlobName(name) && !named.has(name) && (freed.has(name) || isOld(blob));
  });
}

/** A mirror as it will be: its index can be written before anything is deleted. */
function without(cache: UrlCache, gone: readonly StoredManifest[]): UrlCache {
  const hidden = new Set(gone.map(({ path }) => path));
  return {
    ...cache,
    packages: async (call) =>
      new Map([...(await cache.packages(call))].filter(([, path]) => !hidden.has(path))),
  };
}

/** Packages that came since, or were written anew. */
const newIn = ({ packages }: FileSurvey, before: FileSurvey): readonly DagHash[] =>
  [...packages].flatMap(([hash, { manifest }]) =>
    before.packages.get(hash)?.manifest === manifest ? [] : [hash],
  );

/** Deletes a manifest, and tells its bytes; not where it is another by now than was looked at. */
async function removeManifest(
  store: ObjectStore,
  { path, digest }: StoredManifest,
  call: Call,
): Promise<Uint8Array | undefined> {
  checkInterrupted(call);
  const bytes = await readSmall(store, path, call);
  if (bytes === undefined || digestOf(bytes) !== digest) return undefined;
  const task = { id: `prune ${path}`, verb: "delete", subject: nameOf(path) } as const;
  call.report?.({ type: "started", task });
  await store.delete(path, call);
  call.report?.({ type: "finished", task, outcome: "deleted" });
  return bytes;
}

/** What was pushed in the moment between the last look and the end of deleting, and counted on what went. */
function damagedBy(deleted: readonly ListedObject[], last: FileSurvey, after: FileSurvey): BrokenPackage[] {
  const lost = new Set(deleted.map(({ path }) => path));
  return [...last.manifests.values()].flatMap((manifest) => {
    const { path, needs } = manifest;
    if (after.manifests.get(path) === manifest || !needs.some((blob) => lost.has(blob))) return [];
    const failure = new Failure("conflict", `${path} was pushed while a blob that it needs was deleted`, {
      code: "buildcache.prune-raced",
      subject: path,
      hint: "Push it again; prune when nobody pushes.",
    });
    return [{ name: path, failure: failure.toJSON() }];
  });
}
