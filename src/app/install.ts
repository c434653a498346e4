import { statfs } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import type { Call } from "../base/call.js";
import { Failure, type FailureDocument } from "../base/failure.js";
import { ociSource } from "../buildcache/entry.js";
import { graphOfIndex } from "../buildcache/index-document.js";
import { readIndex } from "../buildcache/index-update.js";
import type { EntryRequest, PackageSource } from "../buildcache/source.js";
import { paddedRoot } from "../config/install-tree.js";
import { installPackages, type InstallResult as RunResult } from "../install/installer.js";
import { type InstallPlan, planInstall } from "../install/plan.js";
import { detectHost } from "../io/host/detect-host.js";
import { openBlobCache } from "../io/install/blob-cache.js";
import { openStore } from "../io/store/disk-store.js";
import { systemClock } from "../io/system/clock.js";
import { createWorkers } from "../io/workers/pool.js";
import type { Repository } from "../oci/repository.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { isDagHash } from "../spec/dag-hash.js";
import { createMatcher } from "../spec/matches.js";
import { parseSpec } from "../spec/parse-spec.js";
import { best } from "./best.js";
import { openContext, type StowageOptions } from "./context.js";
import { installWorkers } from "./install-workers.js";
import { openRegistries } from "./registries.js";

export interface InstallOptions extends StowageOptions {
  /** Only from this mirror, instead of all that packages are fetched from, in their order. */
  readonly mirror?: string | undefined;
  /** Tell what would be done. */
  readonly dryRun?: boolean | undefined;
  /** Install the roots again where they are installed. */
  readonly overwrite?: boolean | undefined;
  readonly only?: "package" | "dependencies" | undefined;
  /** What the packages were built with, too. */
  readonly includeBuildDeps?: boolean | undefined;
  readonly failFast?: boolean | undefined;
  /** Refuse a package in which anything could not be relocated. */
  readonly strict?: boolean | undefined;
  /** `false`: nobody else uses the store, so take no locks. */
  readonly locks?: boolean | undefined;
}

export interface InstallResult {
  /** Root of the store. */
  readonly root: string;
  readonly plan: InstallPlan;
  /** undefined for a dry run. */
  readonly run: Omit<RunResult, "failed"> | undefined;
  readonly failed: readonly { readonly spec: ConcreteSpec; readonly failure: FailureDocument }[];
}

/**
 * Installs packages and what they need to run, from mirrors: by `/hash`, `name-version-hash`, or any spec.
 *
 * By hash no index is read. What fails is in the result, and the rest is installed all the same.
 * @throws Failure `mirror.*`, `spec.*`, `install.*`, `store.*` for what stops all of it
 */
export async function install(
  specs: readonly string[],
  options: InstallOptions = {},
): Promise<InstallResult> {
  const context = await openContext(options);
  const call: Call = { signal: context.signal, report: context.report };
  const mirrors =
    options.mirror === undefined
      ? (await context.mirrors()).filter((mirror) => mirror.binary && mirror.fetch !== undefined)
      : [await context.mirror(options.mirror)];
  if (mirrors.length === 0)
    throw new Failure("not-found", "no mirror is configured", {
      code: "mirror.none",
      hint: "Run `stowage mirror add NAME URL`.",
    });
  await using registries = openRegistries(context);
  const repositories: Repository[] = [];
  for (const mirror of mirrors) repositories.push(await registries.mirror(mirror, "fetch"));

  const root = paddedRoot(context.installTree);
  const store = await openStore(root, {
    projection: context.installTree.projections?.["all"],
    unpaddedRoot: context.installTree.root,
    locks: options.locks,
  });
  const plan = await planInstall(
    {
      roots: await resolveRoots(specs, repositories, call),
      sources: repositories.map((repository): PackageSource => ociSource(repository)),
      database: await store.readDatabase(call),
      layout: store.layout,
      host: await detectHost(call),
      overwrite: options.overwrite,
      only: options.only,
      buildDependencies: options.includeBuildDeps,
      freeBytes: await freeBytes(root),
    },
    call,
  );
  if (options.dryRun) return { root, plan, run: undefined, failed: [] };

  await using workers = createWorkers({ threads: context.jobs ?? availableParallelism() });
  const { failed, ...run } = await installPackages(
    plan,
    {
      store,
      cache: openBlobCache(context.cacheRoot),
      workers: installWorkers(workers),
      clock: systemClock,
    },
    { ...call, failFast: options.failFast, strict: options.strict },
  );
  return {
    root,
    plan,
    run,
    failed: failed.map(({ spec, failure }) => ({ spec, failure: documentOf(failure) })),
  };
}

function documentOf(error: unknown): FailureDocument {
  if (error instanceof Failure) return error.toJSON();
  throw error;
}

/** Bytes free where a directory is, or will be. */
async function freeBytes(path: string): Promise<number | undefined> {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize } = await statfs(at);
      return bavail * bsize;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || at === dirname(at)) return undefined;
    }
  }
}

/** What to install for each spec: itself, where it names a hash; else the best of what the indices have. */
async function resolveRoots(
  specs: readonly string[],
  repositories: readonly Repository[],
  call: Call,
): Promise<EntryRequest[]> {
  const roots: EntryRequest[] = [];
  const indices = new Map<Repository, ReturnType<typeof openIndex>>();
  for (const text of specs) {
    const hash = text.startsWith("/")
      ? text.slice(1)
      : text.length > 33 && text.at(-33) === "-"
        ? text.slice(-32)
        : "";
    if (isDagHash(hash)) {
      roots.push({ hash });
      continue;
    }
    const query = parseSpec(text);
    let found: ConcreteSpec | undefined;
    for (const repository of repositories) {
      const index = indices.get(repository) ?? openIndex(repository, call);
      indices.set(repository, index);
      const { specs: all, matches } = await index;
      found = best(
        all.filter((spec) => matches(spec, query)),
        text,
      );
      if (found !== undefined) break;
    }
    if (found === undefined)
      throw new Failure(
        "not-found",
        `no package matches ${text} in ${repositories.map(({ label }) => label).join(", ")}`,
        {
          code: "spec.no-match",
          subject: text,
          hint: "`stowage buildcache list` shows what there is.",
        },
      );
    roots.push(found);
  }
  return roots;
}

async function openIndex(repository: Repository, call: Call) {
  const stored = await readIndex(repository, call);
  if (stored === undefined)
    throw new Failure("not-found", `${repository.label} has no index`, {
      code: "buildcache.index-missing",
      subject: repository.label,
      hint: "Build one with `stowage buildcache update-index`, or install by /HASH, which needs none.",
    });
  const graph = graphOfIndex(stored.index, { subject: repository.label });
  const specs = [...graph.nodes.values()].filter(({ hash }) => stored.index.present.has(hash));
  return { specs, matches: createMatcher(graph) };
}
