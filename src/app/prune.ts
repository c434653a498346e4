import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Failure } from "../base/failure.js";
import type { BrokenPackage, IndexResult } from "../buildcache/index-update.js";
import { parseAge, parseKeepList } from "../buildcache/keep-list.js";
import { prune } from "../buildcache/prune.js";
import { reached } from "../buildcache/prune-plan.js";
import type { StoredPackage } from "../buildcache/prune-survey.js";
import { pruneFiles } from "../buildcache/url-prune.js";
import type { FiledPackage } from "../buildcache/url-prune-survey.js";
import { diskFailure, systemCodeOf } from "../io/disk/disk-failure.js";
import { systemClock, systemRandom } from "../io/system/clock.js";
import type { Digest } from "../oci/digest.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { type Context, openContext, type StowageOptions } from "./context.js";
import { environmentGraph } from "./environment-roots.js";
import { holdsImages, openRegistries } from "./registries.js";
import { signingFor, type WriteSigning } from "./signing.js";

export interface PruneMirrorOptions extends WriteSigning, StowageOptions {
  /** Environments whose packages stay: names or folders. */
  readonly keepEnvironments?: readonly string[] | undefined;
  /** A file of hashes whose packages stay. */
  readonly keepList?: string | undefined;
  /** So many packages of each name stay: those pushed last. */
  readonly keepLast?: number | undefined;
  /** What was pushed before that stays only if something else keeps it: `30d`. */
  readonly olderThan?: string | undefined;
  /** What kept packages were built with stays, too. */
  readonly withBuildDependencies?: boolean | undefined;
  /** In a mirror of files, what nothing names stays for so long: `2h`; without it, a day. */
  readonly grace?: string | undefined;
  readonly dryRun?: boolean | undefined;
}

export interface PrunedPackage {
  readonly name: string;
  readonly version: string;
  readonly hash: DagHash;
  /** Its tag, or the path of its manifest. */
  readonly tag: string;
  readonly manifest: Digest;
}

export interface PruneMirrorResult {
  readonly mirror: string;
  readonly dryRun: boolean;
  readonly removed: readonly PrunedPackage[];
  readonly kept: number;
  /** Kept, because nothing tells when they were pushed. */
  readonly undated: readonly PrunedPackage[];
  /** Put back for packages that were pushed meanwhile. */
  readonly restored: readonly PrunedPackage[];
  /** Signatures and the like of manifests that are gone. */
  readonly companions: number;
  /** Paths of manifests that named what is not there. */
  readonly orphans: readonly string[];
  /** Blobs that nothing needs any more, and their bytes with those of the manifests. */
  readonly blobs: number;
  readonly bytes: number;
  readonly broken: readonly BrokenPackage[];
  /** undefined where nothing was changed. */
  readonly index: IndexResult | undefined;
}

/**
 * Takes packages out of a mirror that no rule keeps, and that nothing needs that one keeps. Without rules, only what
 * earlier runs left behind.
 * @throws Failure `buildcache.prune-*`, `buildcache.keeplist-invalid`, `config.environment-missing`, `mirror.*`
 */
export async function pruneMirror(
  mirrorName: string,
  options: PruneMirrorOptions = {},
): Promise<PruneMirrorResult> {
  const context = await openContext(options);
  const mirror = await context.mirror(mirrorName);
  const { keepLast, olderThan, withBuildDependencies, dryRun = false } = options;
  const since = olderThan === undefined ? undefined : systemClock.now() - parseAge(olderThan);
  const roots = await rootsOf(context, options);
  await using registries = openRegistries(context);
  const run = {
    signal: context.signal,
    report: context.report,
    clock: systemClock,
    random: systemRandom,
    jobs: context.jobs ?? 16,
    roots,
    last: keepLast,
    since,
    withBuildDependencies,
    dryRun,
  };
  const about = { mirror: mirror.name, dryRun };
  if (!holdsImages(mirror)) {
    const store = await registries.files(mirror, "push");
    const result = await pruneFiles(store, { ...run, grace: parseAge(options.grace ?? defaultGrace) });
    const { removed, undated, restored } = result;
    return {
      ...about,
      ...result,
      companions: 0,
      removed: removed.map(filedOf),
      undated: undated.map(filedOf),
      restored: restored.map(filedOf),
    };
  }
  const signing = dryRun ? undefined : await signingFor(options, { mirror, context });
  const repository = await registries.repository(mirror, "push", { checked: false });
  const trusted = dryRun ? undefined : await registries.repository(mirror, "push", { signing });
  const deleteBlobs = /^oci-layout:/i.test(mirror.push?.url ?? "");
  const result = await prune(repository, { ...run, deleteBlobs, trusted });
  const { removed, undated, restored } = result;
  return {
    ...about,
    ...result,
    orphans: [],
    removed: removed.map(prunedOf),
    undated: undated.map(prunedOf),
    restored: restored.map(prunedOf),
  };
}

/** Longer than any push takes. */
const defaultGrace = "1d";

const prunedOf = ({ spec, tag, manifest }: StoredPackage): PrunedPackage =>
  packageOf(spec, tag, manifest.descriptor.digest);

const filedOf = ({ spec, manifest }: FiledPackage): PrunedPackage =>
  packageOf(spec, manifest.path, manifest.digest);

const packageOf = ({ name, version, hash }: ConcreteSpec, tag: string, manifest: Digest): PrunedPackage => ({
  name,
  version,
  hash,
  tag,
  manifest,
});

/** What environments and a list keep; undefined where neither was given. */
async function rootsOf(
  context: Context,
  { keepEnvironments = [], keepList, withBuildDependencies }: PruneMirrorOptions,
): Promise<ReadonlySet<DagHash> | undefined> {
  if (keepEnvironments.length === 0 && keepList === undefined) return undefined;
  const roots = new Set<DagHash>();
  for (const given of keepEnvironments) {
    const locked = await environmentGraph(given, context);
    // What a root needs stays, too, where the mirror has that and not the root.
    for (const hash of reached(locked.roots, locked.nodes, { withBuildDependencies })) roots.add(hash);
  }
  if (keepList !== undefined) {
    const file = resolve(context.cwd, keepList);
    for (const hash of parseKeepList(await textOfFile(file), file)) roots.add(hash);
  }
  return roots;
}

async function textOfFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT")
      throw new Failure("not-found", `there is no list ${path}`, {
        code: "buildcache.keeplist-missing",
        subject: path,
        hint: "Name a file of hashes to keep: `spack find --format '{hash}' > FILE` writes one.",
        cause: error,
      });
    throw diskFailure(error, { doing: "read", path });
  }
}
