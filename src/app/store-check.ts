import { availableParallelism } from "node:os";
import { checkStore, repairStore, type StoreProblem, type StoreReport } from "../install/store-check.js";
import { createWorkers } from "../io/workers/pool.js";
import { openContext, type StowageOptions } from "./context.js";
import { openInstalled } from "./installed.js";

export type { StoreProblem } from "../install/store-check.js";

export interface StoreCheckOptions extends StowageOptions {
  /** Mend what can be mended without a mirror. */
  readonly repair?: boolean | undefined;
}

export interface StoreCheckResult extends StoreReport {
  /** Root of the store. */
  readonly root: string;
  /** The problems that are left after the repair; all of them without one. */
  readonly left: readonly StoreProblem[];
}

/** Compares a store's database with itself and with the disk. */
export async function storeCheck(options: StoreCheckOptions = {}): Promise<StoreCheckResult> {
  const context = await openContext(options);
  const { store, root } = await openInstalled(context);
  const jobs = context.jobs ?? availableParallelism();
  await using workers = createWorkers({ threads: jobs });
  const report = await checkStore(await store.readDatabase(context), {
    signal: context.signal,
    survey: await store.survey(),
    verify: (prefix, call) => workers.run("verify", prefix, call),
    jobs,
  });
  const left = options.repair ? await repairStore(report, store, context) : report.problems;
  return { root, ...report, left };
}
