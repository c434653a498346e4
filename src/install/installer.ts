import { utf8 } from "../base/bytes.js";
import { type Call, checkInterrupted } from "../base/call.js";
import type { Clock } from "../base/clock.js";
import { Failure } from "../base/failure.js";
import type { Task } from "../base/progress.js";
import { sbangScript } from "../relocate/sbang.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { closure, subgraph } from "../spec/graph.js";
import { encodeSpecFile } from "../spec/spec-file.js";
import type { Database } from "../store/database.js";
import type { Staging, Store } from "../store/store.js";
import { aliasOf, aliasRecordName } from "./alias.js";
import type { BlobCache } from "./blob-cache.js";
import { defaultPermissions, type FinishJob, type Permissions } from "./finish.js";
import type { Materialized, MaterializeJob } from "./materialize.js";
import type { FileProblem } from "./package-writer.js";
import { assertInstallable, type Fetch, type InstallPlan, type Present } from "./plan.js";
import { guessesOf, type Prefixes, prefixesHere } from "./prefixes.js";
import { recordInstalled } from "./record.js";
import { runGraph } from "./run-graph.js";
import type { Verified } from "./verify.js";

/** What the hot loops are done by: worker threads. */
export interface InstallWorkers {
  materialize(
    job: MaterializeJob & { readonly archive: string },
    call: Call & { readonly advanced?: ((bytes: number) => void) | undefined },
  ): Promise<Materialized>;
  finish(job: FinishJob, call: Call): Promise<void>;
  verify(prefix: string, call: Call): Promise<Verified>;
}

export interface InstallTools {
  readonly store: Store;
  readonly cache: BlobCache;
  readonly workers: InstallWorkers;
  readonly clock: Clock;
}

export interface InstallOptions extends Call {
  /** Packages under way at once. */
  readonly jobs?: number | undefined;
  readonly permissions?: Permissions | undefined;
  /** Start nothing new after the first package that fails. */
  readonly failFast?: boolean | undefined;
  /** Refuse a package in which anything could not be relocated, or an old prefix is left. */
  readonly strict?: boolean | undefined;
  /** Names that differ by case only are one on the store's file system. */
  readonly caseInsensitive?: boolean | undefined;
}

export interface InstalledPackage {
  readonly spec: ConcreteSpec;
  readonly prefix: string;
  /** What could not be relocated, and was left. */
  readonly problems: readonly FileProblem[];
  /** Files in which an old prefix is left. */
  readonly leftovers: readonly string[];
  /** Bytes of its files. */
  readonly size: number;
}

export interface FailedPackage {
  readonly spec: ConcreteSpec;
  readonly failure: unknown;
}

export interface InstallResult {
  readonly installed: readonly InstalledPackage[];
  readonly present: readonly Present[];
  readonly failed: readonly FailedPackage[];
}

/** Packages that are downloaded, unpacked or waiting at once: enough to keep line and processors busy. */
const defaultJobs = 8;

/**
 * Runs a plan. A package appears at its prefix by one rename, when it and all it depends on are complete; the
 * database is written once for all of them. What another process installs meanwhile is waited for, not done twice.
 *
 * @throws Failure the plan's problem; `interrupted`; `store.*` where the database cannot be written. What fails for
 * one package is in the result, and does not stop those that do not need it.
 */
export async function installPackages(
  plan: InstallPlan,
  tools: InstallTools,
  options: InstallOptions = {},
): Promise<InstallResult> {
  assertInstallable(plan);
  const { store } = tools;
  const wanted = plan.packages.filter((one) => one.state === "fetch");
  const present = plan.packages.filter((one) => one.state === "present");
  const { report } = options;
  report?.({ type: "planned", tasks: wanted.length, bytes: plan.bytes });
  if (wanted.length === 0) {
    await commit([], present, { plan, tools });
    return { installed: [], present, failed: [] };
  }

  await store.provideSbang(sbangScript);
  const total: { installed: InstalledPackage[]; present: Present[]; failed: FailedPackage[] } = {
    installed: [],
    present,
    failed: [],
  };
  await using staging = await store.openStaging();
  const run = async (packages: readonly Fetch[]) => {
    const done = await runBatch(packages, { plan, tools, options, staging, failed: total.failed });
    total.installed.push(...done.installed);
    total.present.push(...done.present);
    total.failed.push(...done.failed);
  };

  const later = new Set<Fetch>();
  {
    await using locks = await store.lockPackages(wanted.map(({ spec }) => spec.hash));
    for (const one of wanted) if (!locks.held.has(one.spec.hash) || needsOneOf(one, later)) later.add(one);
    await run(wanted.filter((one) => !later.has(one)));
  }
  // What others were installing, and what needs it: one by one, holding nothing while we wait.
  for (const one of later) {
    checkInterrupted(options);
    await using _lock = await store.lockPackages([one.spec.hash], { ...options, wait: true });
    await run([one]);
  }
  return total;
}

const needsOneOf = ({ spec }: Fetch, others: ReadonlySet<Fetch>): boolean =>
  [...others].some((other) => spec.dependencies.some(({ hash }) => hash === other.spec.hash));

interface Batch {
  readonly plan: InstallPlan;
  readonly tools: InstallTools;
  readonly options: InstallOptions;
  readonly staging: Staging;
  /** What failed before, so that what needs it is not tried. */
  readonly failed: readonly FailedPackage[];
}

/** Installs packages whose locks are held, and records those that are complete, whatever becomes of the others. */
async function runBatch(packages: readonly Fetch[], batch: Batch): Promise<InstallResult> {
  const { plan, tools, options } = batch;
  // Someone may have installed them between the plan and the lock.
  const { records } = await tools.store.readDatabase(options);
  const isPresent = ({ spec, overwrite }: Fetch) => !overwrite && records.get(spec.hash)?.installed === true;
  const present = packages.filter(isPresent).map(({ spec, prefix, explicit }): Present => {
    return { state: "present", spec, prefix: records.get(spec.hash)?.path ?? prefix, explicit };
  });
  const broken = new Map(batch.failed.map(({ spec, failure }) => [spec.hash, failure]));
  const todo = packages.filter((one) => !isPresent(one));
  const installed: { one: Fetch; done: InstalledPackage }[] = [];
  try {
    const failed = await runGraph(todo, {
      limit: options.jobs ?? defaultJobs,
      failFast: options.failFast ?? false,
      keyOf: ({ spec }) => spec.hash,
      needs: ({ spec }) =>
        spec.dependencies
          .filter(({ types }) => types.some((t) => t === "link" || t === "run"))
          .map(({ hash }) => hash),
      broken,
      call: options,
      work: async (one, dependencies) => {
        installed.push({ one, done: await installOne(one, { ...batch, dependencies }) });
      },
    });
    checkInterrupted(options);
    return {
      installed: installed.map(({ done }) => done),
      present,
      failed: failed.map(({ item, error }) => ({ spec: item.spec, failure: error })),
    };
  } finally {
    // What is at its prefix is complete: it is recorded even if the rest was interrupted.
    await commit(
      installed.map(({ one }) => one),
      present,
      { plan, tools },
    );
  }
}

async function commit(
  installed: readonly Fetch[],
  present: readonly Present[],
  { plan, tools }: { plan: InstallPlan; tools: InstallTools },
): Promise<void> {
  const { store, clock } = tools;
  const newlyExplicit = (database: Database) =>
    present.some(({ spec, explicit }) => explicit && database.records.get(spec.hash)?.explicit === false);
  if (installed.length === 0 && !newlyExplicit(await store.readDatabase())) return;
  await store.updateDatabase((database) =>
    recordInstalled(database, {
      installed,
      explicit: present.filter((one) => one.explicit).map(({ spec }) => spec.hash),
      graph: plan.graph,
      layout: store.layout,
      now: clock.now() / 1000,
    }),
  );
}

/** One package: fetched, unpacked, and once its dependencies are in place, finished and put at its prefix. */
async function installOne(
  one: Fetch,
  { plan, tools, options, staging, dependencies }: Batch & { dependencies: () => Promise<void> },
): Promise<InstalledPackage> {
  const { store, cache, workers } = tools;
  const { spec, prefix, entry, overwrite } = one;
  const subject = `${spec.name}@${spec.version}/${spec.hash.slice(0, 7)}`;
  if (!overwrite && (await store.isTaken(prefix)))
    return await adopt(one, { plan, tools, options, staging, failed: [] });

  const task: Task = { id: spec.hash, verb: "unpack", subject, bytes: entry.layer.size };
  const fetching: Task = { ...task, id: `${spec.hash}-fetch`, verb: "download" };
  const graph = entry.graph;
  const database = await store.readDatabase(options);
  const aliases = new Map(
    [...closure(graph, { roots: [entry.spec.hash] })].map(({ hash }) => [
      hash as string,
      aliasOf(store, hash),
    ]),
  );
  const job = {
    subject: `${subject} from ${entry.label}`,
    hash: spec.buildHash ?? spec.hash,
    digest: entry.layer.digest,
    diffId: entry.diffId,
    here: prefixesHere(graph, { spec: entry.spec, database, layout: store.layout }),
    guesses: guessesOf(graph, entry.spec),
    aliases,
    caseInsensitive: options.caseInsensitive ?? false,
  };
  const content = { descriptor: entry.layer, open: entry.open };
  const attempt = async (): Promise<{ made: Materialized; directory: string }> => {
    const blob = await reported(fetching, options, (advanced) =>
      cache.obtain(content, { ...options, advanced }),
    );
    const directory = staging.newPath();
    try {
      const made = await reported(task, options, (advanced) =>
        workers.materialize({ ...job, directory, archive: blob.path }, { ...options, advanced }),
      );
      return { made, directory };
    } catch (error) {
      if (!isDamaged(error)) throw error;
      await cache.forget(content);
      // A blob from an earlier run may have been damaged on this disk: its source is asked once more.
      if (blob.cached) return await attempt();
      throw error;
    }
  };
  const { made, directory } = await attempt();
  if (options.strict === true) refuseLeftovers(made, one);
  refuseProblems(made, { one, here: job.here, strict: options.strict ?? false });

  await dependencies();
  checkInterrupted(options);
  const used = new Map(
    made.aliased.map((hash) => [aliases.get(hash) ?? "", job.here.packages.get(hash) ?? ""]),
  );
  for (const [alias, target] of used) await store.provideAlias(alias, target);
  await workers.finish(
    {
      directory,
      prefix,
      written: made.written,
      metadata: metadataOf(encodeSpecFile(subgraph(graph, entry.spec.hash)), used),
      permissions: options.permissions ?? defaultPermissions,
    },
    options,
  );
  checkInterrupted(options);
  await staging.publish(directory, prefix, { overwrite });
  return { spec, prefix, problems: made.problems, leftovers: made.leftovers, size: made.size };
}

const metadataOf = (
  specFile: string,
  aliases: ReadonlyMap<string, string>,
): ReadonlyMap<string, Uint8Array> =>
  new Map([
    [".spack/spec.json", utf8(specFile)],
    ...(aliases.size === 0
      ? []
      : [[aliasRecordName, utf8(JSON.stringify({ aliases: Object.fromEntries(aliases) }))] as const]),
  ]);

/**
 * A prefix that the database does not know. Where it is whole by its own manifest, a process that ended between
 * the rename and the database's write left it, and it is recorded now.
 */
async function adopt({ spec, prefix }: Fetch, { tools, options }: Batch): Promise<InstalledPackage> {
  const found = await tools.workers.verify(prefix, options);
  if (found.type === "checked" && found.deviations.length === 0)
    return { spec, prefix, problems: [], leftovers: [], size: 0 };
  throw new Failure(
    "conflict",
    `${prefix} exists, but the store's database does not know it, and it is not whole`,
    {
      code: "store.prefix-exists",
      subject: prefix,
      hint: "Remove it, or give --overwrite to replace it.",
    },
  );
}

const damage: ReadonlySet<string> = new Set([
  "install.blob-corrupt",
  "archive.gzip-invalid",
  "archive.truncated",
  "disk.missing",
]);

const isDamaged = (error: unknown): boolean => error instanceof Failure && damage.has(error.code);

function refuseLeftovers({ leftovers, oldPrefix }: Materialized, { spec }: Fetch): void {
  const [first] = leftovers;
  if (first === undefined) return;
  throw new Failure(
    "unsupported",
    `${spec.name}@${spec.version} still names where it was made (${oldPrefix}) in ${first}${leftovers.length > 1 ? ` and ${leftovers.length - 1} other files` : ""}`,
    {
      code: "install.leftover",
      subject: `${spec.name}/${spec.hash}`,
      hint: "Install it without --strict: most such names are never followed.",
    },
  );
}

/** Strings that name no package but the bare root of the old store have no alias: they are told and left. */
function refuseProblems(
  { problems, oldPrefix }: Materialized,
  { one, here, strict }: { one: Fetch; here: Prefixes; strict: boolean },
): void {
  const hashes = [...here.packages.keys()];
  const bad = strict
    ? problems
    : problems.filter(({ prefix }) => prefix !== undefined && hashes.some((hash) => prefix.includes(hash)));
  const [first] = bad;
  if (first === undefined) return;
  const room = Math.min(...bad.map((problem) => problem.room ?? Number.POSITIVE_INFINITY));
  const longest = room - "/.a/1234567".length;
  throw new Failure(
    "unsupported",
    `${one.spec.name}@${one.spec.version} was made in ${oldPrefix} and cannot be moved to ${one.prefix}: ${first.name} has no room for it (${first.text})${bad.length > 1 ? `, nor have ${bad.length - 1} others` : ""}`,
    {
      code: "install.prefix-too-long",
      subject: one.prefix,
      hint:
        Number.isFinite(longest) && longest > 1 && longest < here.root.length
          ? `Use a store root of at most ${longest} characters.`
          : "Use a shorter store root.",
    },
  );
}

async function reported<T>(
  task: Task,
  { report }: Call,
  work: (advanced: (bytes: number) => void) => Promise<T>,
): Promise<T> {
  report?.({ type: "started", task });
  try {
    const result = await work((bytes) => report?.({ type: "advanced", task, bytes }));
    report?.({ type: "finished", task, outcome: "done" });
    return result;
  } catch (error) {
    if (error instanceof Failure) report?.({ type: "failed", task, failure: error.toJSON() });
    throw error;
  }
}
