import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Call } from "../base/call.js";
import { Failure, type FailureDocument } from "../base/failure.js";
import type { BuildCache } from "../buildcache/build-cache.js";
import type { EntryRequest } from "../buildcache/source.js";
import { packageStem } from "../buildcache/tag.js";
import { readSection } from "../config/configuration.js";
import { type InstallTree, paddedRoot } from "../config/install-tree.js";
import type { Mirror } from "../config/mirror.js";
import { permissionsOf } from "../config/permissions.js";
import { defaultPermissions, type Permissions } from "../install/finish.js";
import type { InstalledPackage } from "../install/install-package.js";
import { installPackages, type InstallResult as RunResult } from "../install/installer.js";
import { type InstallPlan, type PlannedPackage, planInstall } from "../install/plan.js";
import { detectHost } from "../io/host/detect-host.js";
import { groupNumber } from "../io/host/group.js";
import { openBlobCache } from "../io/install/blob-cache.js";
import { freeBytesAt } from "../io/disk/place.js";
import { openStore } from "../io/store/disk-store.js";
import { systemClock } from "../io/system/clock.js";
import { createWorkers, type Workers } from "../io/workers/pool.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { parseSpec } from "../spec/parse-spec.js";
import type { Database } from "../store/database.js";
import { defaultProjection, type LayoutOptions } from "../store/layout.js";
import { type Asked, askedRoots, nameOf } from "./asked-roots.js";
import { remembering } from "./available.js";
import { type Context, configuredPath, openContext, type StowageOptions } from "./context.js";
import { installWorkers } from "./install-workers.js";
import { openLayerRecords } from "./layer-records.js";
import { openRegistries } from "./registries.js";

export interface InstallOptions extends StowageOptions {
  /** Only from this mirror, instead of all that packages are fetched from, in their order. */
  readonly mirror?: string | undefined;
  /** Install the roots of a `spack.lock` too. */
  readonly lockfile?: string | undefined;
  /** Of an environment or a lockfile only the roots in these groups. */
  readonly groups?: readonly string[] | undefined;
  /** Tell what would be done. */
  readonly dryRun?: boolean | undefined;
  /** Install the roots again where they are installed. */
  readonly overwrite?: boolean | undefined;
  readonly only?: "package" | "dependencies" | undefined;
  /** What the packages were built with, too. */
  readonly includeBuildDeps?: boolean | undefined;
  /** Install what there is: what no mirror has is told in the result, with what needs it. */
  readonly allowMissing?: boolean | undefined;
  readonly failFast?: boolean | undefined;
  /** Refuse a package in which anything could not be relocated. */
  readonly strict?: boolean | undefined;
  /** `false`: nobody else uses the store, so take no locks. */
  readonly locks?: boolean | undefined;
  /** `false`: keep no downloads, and use none that were kept. */
  readonly cache?: boolean | undefined;
  /** `false`: packages may be for another machine than this one. */
  readonly hostCompatible?: boolean | undefined;
}

export interface InstallResult {
  /** Root of the store. */
  readonly root: string;
  readonly plan: InstallPlan;
  /** Packages that the roots need more than one of: each works, but they cannot be loaded or linked together. */
  readonly conflicts: readonly (readonly ConcreteSpec[])[];
  /** With `allowMissing`: what was asked for that no mirror has, as it was asked, and packages by name and hash. */
  readonly missing: readonly string[];
  /** Mirrors that say that their packages are signed, whose signatures were not checked. */
  readonly unchecked: readonly string[];
  /** undefined for a dry run. */
  readonly run: Omit<RunResult, "failed"> | undefined;
  readonly failed: readonly { readonly spec: ConcreteSpec; readonly failure: FailureDocument }[];
}

/**
 * Installs packages and what they need to run, from mirrors: by `/hash`, `name-version-hash` or any spec; without
 * specs what a lockfile or the active environment asks for.
 *
 * By whole hashes and lockfiles no index is read. What fails is in the result, and the rest is installed all the same.
 * @throws Failure `mirror.*`, `spec.*`, `install.*`, `store.*` for what stops all of it
 */
export async function install(
  specs: readonly string[] = [],
  options: InstallOptions = {},
): Promise<InstallResult> {
  const context = await openContext(options);
  const call: Call = { signal: context.signal, report: context.report };
  const mirrors = await mirrorsToUse(context, options.mirror);
  const unchecked = context.checkSignature
    ? []
    : mirrors.filter((mirror) => mirror.signed).map(({ name }) => name);
  await using registries = openRegistries(context);
  const caches: BuildCache[] = [];
  for (const mirror of mirrors) caches.push(...(await registries.caches(mirror)));
  const host = options.hostCompatible === false ? undefined : await detectHost(call);

  const root = paddedRoot(context.installTree);
  const store = await openStore(root, {
    ...layoutOptionsOf(context.installTree),
    locks: options.locks,
  });
  const database = await store.readDatabase(call);
  const sources = caches.map(remembering);
  const asked = await askedRoots(specs, { ...options, context, caches, sources, database, host, call });
  await using workers = createWorkers({ threads: context.jobs ?? availableParallelism() });
  const isThere = ({ hash }: EntryRequest) => database.records.get(hash)?.installed === true;
  if (options.dryRun !== true && (options.overwrite === true || !asked.roots.every(isThere)))
    workers.prepare();
  const planned = await planInstall(
    {
      roots: asked.roots,
      explicit: asked.explicit,
      allowMissing: options.allowMissing,
      sources,
      database,
      layout: store.layout,
      host,
      overwrite: options.overwrite,
      strict: options.strict,
      only: options.only,
      buildDependencies: options.includeBuildDeps,
      freeBytes: await freeBytesAt(root),
    },
    call,
  );
  const plan = withPresent(await withCandidates(planned, caches, call), asked, database);
  const conflicts = conflictsIn(plan);
  const missing = options.allowMissing
    ? [...new Set([...asked.missing, ...plan.missing.map(nameOf)])].sort()
    : [];
  if (options.dryRun) return { root, plan, conflicts, missing, unchecked, run: undefined, failed: [] };

  const permissions = await permissionsFor(plan, context);
  // What is not kept is with the packages under way, and so removed after us, even if we are killed.
  await using own = options.cache === false ? await store.openStaging() : undefined;
  const { failed, ...run } = await installPackages(
    plan,
    {
      store,
      cache:
        own === undefined
          ? openBlobCache(context.cacheRoot, { spackCache: spackCacheOf(context) })
          : openBlobCache(own.newPath()),
      workers: installWorkers(workers),
      clock: systemClock,
    },
    {
      ...call,
      failFast: options.failFast,
      strict: options.strict,
      permissionsOf: (name) => permissions.get(name) ?? defaultPermissions,
    },
  );
  if (options.cache !== false)
    await keepOriginals(run.installed, { workers, cacheRoot: context.cacheRoot, call });
  return {
    root,
    plan,
    conflicts,
    missing,
    unchecked,
    run,
    failed: failed.map(({ spec, failure }) => ({ spec, failure: documentOf(failure) })),
  };
}

/** A package that is where it was built is pushed by the layer that it came in, as long as nobody changes it. */
async function keepOriginals(
  installed: readonly InstalledPackage[],
  { workers, cacheRoot, call }: { workers: Workers; cacheRoot: string; call: Call },
): Promise<void> {
  const records = openLayerRecords(join(cacheRoot, "layers"));
  try {
    for (const { spec, prefix, layer } of installed) {
      if (layer === undefined) continue;
      const fingerprint = await workers.run("fingerprint", prefix, call);
      await records.keepInstalled({ hash: spec.hash, fingerprint }, layer);
    }
  } catch (error) {
    // The packages are installed all the same; to push them will take longer.
    if (!(error instanceof Failure) || error.kind === "interrupted") throw error;
    call.report?.({ type: "note", level: "warning", message: error.message });
  }
}

/** Where Spack keeps what it fetched; undefined where that is below a Spack that is not on this machine. */
function spackCacheOf(context: Context): string | undefined {
  try {
    return configuredPath(context, "source_cache");
  } catch (error) {
    if (error instanceof Failure && error.code === "config.variable-unset") return undefined;
    throw error;
  }
}

/** @throws Failure `spec.syntax` for a projection of what is no spec */
function layoutOptionsOf({ root, projections, hashLength }: InstallTree): LayoutOptions {
  const shortened = (path: string) =>
    hashLength === undefined ? path : path.replaceAll("{hash}", `{hash:${hashLength}}`);
  // Only where the configuration does not say it, the packages of the store show which they follow.
  const all = projections?.get("all") ?? (hashLength === undefined ? undefined : defaultProjection);
  return {
    unpaddedRoot: root,
    projection: all && shortened(all),
    exceptions: [...(projections ?? [])]
      .filter(([spec]) => spec !== "all")
      .map(([spec, path]) => ({ when: parseSpec(spec), path: shortened(path) })),
  };
}

async function mirrorsToUse(context: Context, only: string | undefined): Promise<readonly Mirror[]> {
  if (only !== undefined) return [await context.mirror(only)];
  const mirrors = (await context.mirrors()).filter(({ binary, fetch }) => binary && fetch !== undefined);
  if (mirrors.length > 0) return mirrors;
  throw new Failure("not-found", "no mirror is configured", {
    code: "mirror.none",
    hint: "Run `stowage mirror add NAME URL`.",
  });
}

/** Adds what was asked for and is there, so that no mirror had to be asked. */
function withPresent(plan: InstallPlan, { present, explicit }: Asked, { records }: Database): InstallPlan {
  const planned = new Set(plan.packages.map(({ spec }) => spec.hash));
  const added = present.flatMap((spec): PlannedPackage[] => {
    const prefix = records.get(spec.hash)?.path;
    if (prefix === undefined || planned.has(spec.hash)) return [];
    return [{ state: "present", spec, prefix, explicit: explicit?.has(spec.hash) === true }];
  });
  return { ...plan, packages: [...added, ...plan.packages] };
}

/** Says of packages that no mirror has which others of their names there are. */
async function withCandidates(
  plan: InstallPlan,
  caches: readonly BuildCache[],
  call: Call,
): Promise<InstallPlan> {
  const names = new Set(plan.missing.flatMap(({ name }) => name ?? []));
  if (names.size === 0) return plan;
  const found: string[] = [];
  for (const cache of caches)
    for (const stem of [...(await cache.packages(call)).values()].map(packageStem)) {
      const name = /^(.+)-(?:\d|develop|main|master|git)[^-]*-[a-z2-7]{32}$/.exec(stem)?.[1];
      if (name !== undefined && names.has(name)) found.push(stem);
    }
  if (found.length === 0) return plan;
  return {
    ...plan,
    problems: plan.problems.map((problem) =>
      problem.code === "install.package-missing"
        ? new Failure(problem.kind, problem.message, {
            code: problem.code,
            subject: problem.subject,
            hint: `There are others of these names: ${found.sort().slice(0, 10).join(", ")}.`,
          })
        : problem,
    ),
  };
}

function conflictsIn({ packages }: InstallPlan): readonly (readonly ConcreteSpec[])[] {
  const byName = new Map<string, ConcreteSpec[]>();
  for (const { spec } of packages) byName.set(spec.name, [...(byName.get(spec.name) ?? []), spec]);
  return [...byName.values()].filter((same) => same.length > 1);
}

/** By package name, as `packages:*:permissions` has them; what is wrong there is told before anything is fetched. */
async function permissionsFor(
  { packages }: InstallPlan,
  { configuration, config }: Context,
): Promise<ReadonlyMap<string, Permissions>> {
  const section = await readSection(configuration, "packages");
  const groups = new Map<string, number>();
  const permissions = new Map<string, Permissions>();
  for (const { spec, state } of packages) {
    if (state === "present") continue;
    const { group, ...modes } = permissionsOf(spec.name, { packages: section, config });
    if (group !== undefined && !groups.has(group)) groups.set(group, await groupNumber(group));
    permissions.set(spec.name, { ...modes, group: group === undefined ? undefined : groups.get(group) });
  }
  return permissions;
}

function documentOf(error: unknown): FailureDocument {
  if (error instanceof Failure) return error.toJSON();
  throw error;
}
