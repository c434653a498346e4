import { availableParallelism } from "node:os";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import type { BuildCache } from "../buildcache/build-cache.js";
import { type IndexResult, updateIndex } from "../buildcache/index-update.js";
import type { Entry } from "../buildcache/source.js";
import { packageStem } from "../buildcache/tag.js";
import type { Mirror } from "../config/mirror.js";
import { systemClock, systemRandom } from "../io/system/clock.js";
import { type FailedPackage, nameOf, type PackageName, runPush } from "../push/run.js";
import type { DagHash } from "../spec/dag-hash.js";
import { type Context, openContext, type StowageOptions } from "./context.js";
import { holdsImages, openRegistries, type Registries } from "./registries.js";
import { signingFor, type WriteSigning } from "./signing.js";
import { planOf, startOf } from "./sync-copy.js";
import { type Found, presentOf, wantedOf } from "./sync-wanted.js";

export interface SyncOptions extends WriteSigning, StowageOptions {
  /** Only these, with all that they need to run; else what the environment's lockfile holds, else all. */
  readonly specs?: readonly string[] | undefined;
  /** Tell what would be done. */
  readonly dryRun?: boolean | undefined;
  /** Copy again what is there. */
  readonly force?: boolean | undefined;
  readonly failFast?: boolean | undefined;
  /** Renew the index of the destination when done. */
  readonly updateIndex?: boolean | undefined;
}

export interface CopiedPackage extends PackageName {
  /** Bytes of its tarball. */
  readonly size: number;
  readonly layer: string;
}

export interface SyncResult {
  readonly from: string;
  readonly to: string;
  /** Of a dry run: what would be copied. */
  readonly copied: readonly CopiedPackage[];
  readonly present: readonly DagHash[];
  readonly failed: readonly FailedPackage[];
  /** Of the environment, what the source does not have. */
  readonly missing: readonly PackageName[];
  readonly bytes: number;
  readonly index: IndexResult | undefined;
}

/**
 * Copies packages from one mirror to another, of whatever kinds: what is there already is not copied again, so that
 * a copy that was ended goes on when it is run again. Tarballs stay byte for byte what they are.
 * @throws Failure `mirror.*`, `spec.*` for what stops all of it; what fails of the packages is in the result
 */
export async function sync(source: string, target: string, options: SyncOptions = {}): Promise<SyncResult> {
  const context = await openContext(options);
  await using registries = openRegistries(context);
  return await copyPackages(await context.mirror(source), await context.mirror(target), {
    ...options,
    context,
    registries,
  });
}

/** The same, between mirrors that are known already. */
export async function copyPackages(
  from: Mirror,
  to: Mirror,
  options: SyncOptions & {
    readonly context: Context;
    readonly registries: Registries;
    /** Of the source those to take packages from; else all. */
    readonly only?: ((cache: BuildCache) => boolean) | undefined;
  },
): Promise<SyncResult> {
  const { context, registries, dryRun = false, force = false, failFast } = options;
  const call: Call = { signal: context.signal, report: context.report };
  const jobs = context.jobs ?? availableParallelism();
  const caches = (await registries.caches(from)).filter(options.only ?? (() => true));
  const signing = holdsImages(to) ? await signingFor(options, { mirror: to, context }) : undefined;
  const destination = await registries.destination(to, { signing });

  const found = new Map<DagHash, Found>();
  for (const cache of caches)
    for (const [hash, name] of await cache.packages(call))
      if (!found.has(hash)) found.set(hash, { cache, name });
  const { wanted, missing } = await wantedOf(found, { ...options, context, caches, call });
  const present = force ? new Set<DagHash>() : await presentOf(wanted, destination, { jobs, call });

  const entries = new Map<DagHash, Entry>();
  const failed: FailedPackage[] = [];
  const todo = wanted.flatMap((hash) => {
    const one = found.get(hash);
    return one === undefined || present.has(hash) ? [] : [{ hash, one }];
  });
  await mapLimited(todo, jobs * 2, async ({ hash, one }) => {
    try {
      const entry = await one.cache.read(one.name, call);
      if (entry === undefined) throw vanished(one);
      entries.set(hash, entry);
    } catch (error) {
      if (!(error instanceof Failure) || error.kind === "interrupted") throw error;
      failed.push({ ...namedBy(one.name, hash), failure: error.toJSON() });
    }
  });
  const bytes = [...entries.values()].reduce((sum, { layer }) => sum + layer.size, 0);
  const about = { from: from.name, to: to.name, present: [...present], missing, bytes };
  const plan = planOf(entries);
  if (dryRun) {
    const copied = [...entries.values()].map(({ spec, layer }) => ({
      ...nameOf(spec),
      size: layer.size,
      layer: layer.digest,
    }));
    return { ...about, copied, failed, index: undefined };
  }

  const repository = await registries.imageSource(from);
  const start = await startOf(plan, destination, { ...options, entries, found, repository, to, jobs });
  const result = await runPush(plan, start, { ...call, failFast });
  const index = options.updateIndex
    ? await updateIndex(destination.cache, { ...call, clock: systemClock, random: systemRandom })
    : undefined;
  const copied = result.pushed.map(({ name, version, hash, size, layer }) => ({
    name,
    version,
    hash,
    size,
    layer,
  }));
  return {
    ...about,
    copied,
    bytes: copied.reduce((sum, { size }) => sum + size, 0),
    failed: [...failed, ...result.failed],
    index,
  };
}

/** What cannot be read is named by what its mirror calls it: `zlib-1.2.13-7i7x…`. */
function namedBy(name: string, hash: DagHash): PackageName {
  const stem = packageStem(name).replace(`-${hash}`, "");
  const [, short = stem, version = "?"] = /^(.+?)-(\d.*|develop|main|master|git.*)$/.exec(stem) ?? [];
  return { name: short, version, hash };
}

const vanished = ({ cache, name }: Found): Failure =>
  new Failure("not-found", `${cache.label} listed ${packageStem(name)}, and does not have it any more`, {
    code: "buildcache.package-vanished",
    subject: name,
    hint: "Somebody removed it meanwhile: run it again.",
  });
