import { checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { sbangScript } from "../relocate/sbang.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import type { Database } from "../store/database.js";
import type { Staging } from "../store/store.js";
import {
  type InstalledPackage,
  type InstallOptions,
  startPackage,
  type InstallTools,
} from "./install-package.js";
import { assertInstallable, type Fetch, type InstallPlan, type Present } from "./plan.js";
import { recordInstalled } from "./record.js";
import { runGraph } from "./run-graph.js";

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
    try {
      await using _lock = await store.lockPackages([one.spec.hash], { ...options, wait: true });
      await run([one]);
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== "store.locked") throw error;
      total.failed.push({ spec: one.spec, failure: error });
    }
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
  const database = await tools.store.readDatabase(options);
  const { records } = database;
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
      sizeOf: ({ entry }) => entry.layer.size,
      start: async (one) => {
        const end = await startPackage(one, { ...batch, database });
        return async () => void installed.push({ one, done: await end() });
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
