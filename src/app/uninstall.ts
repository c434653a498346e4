import {
  planCollection,
  planUninstall,
  type UninstallPlan,
  uninstallPackages,
} from "../install/uninstall.js";
import type { Database } from "../store/database.js";
import { openContext, type StowageOptions } from "./context.js";
import { openInstalled, selectInstalled } from "./installed.js";

export interface UninstallOptions extends StowageOptions {
  /** Remove the packages that need them, too. */
  readonly dependents?: boolean | undefined;
  /** Remove them even if other packages need them, which then break. */
  readonly force?: boolean | undefined;
  /** Remove all that match a spec, not only where it is one; without specs all there is. */
  readonly all?: boolean | undefined;
  /** Tell what would be done. */
  readonly dryRun?: boolean | undefined;
}

export interface CollectOptions extends StowageOptions {
  /** Keep what explicit packages were built with. */
  readonly keepBuildDependencies?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

export interface UninstallResult {
  /** Root of the store. */
  readonly root: string;
  readonly plan: UninstallPlan;
  readonly dryRun: boolean;
}

/**
 * Removes installed packages, unless others need them.
 * @throws Failure `spec.no-match`, `spec.ambiguous`, `store.needed`, `store.locked`
 */
export const uninstall = (
  specs: readonly string[],
  options: UninstallOptions = {},
): Promise<UninstallResult> =>
  remove(options, (database, root) =>
    planUninstall(
      database,
      selectInstalled(database, specs.length === 0 && options.all ? [""] : specs, { root, all: options.all }),
      options,
    ),
  );

/** Removes what no explicitly installed package needs. */
export const collect = (options: CollectOptions = {}): Promise<UninstallResult> =>
  remove(options, (database) => planCollection(database, options));

async function remove(
  options: StowageOptions & { readonly dryRun?: boolean | undefined },
  planOf: (database: Database, root: string) => UninstallPlan,
): Promise<UninstallResult> {
  const context = await openContext(options);
  const { store, root } = await openInstalled(context);
  const plan = planOf(await store.readDatabase(context), root);
  const dryRun = options.dryRun ?? false;
  if (!dryRun) await uninstallPackages(plan, store, context);
  return { root, plan, dryRun };
}
