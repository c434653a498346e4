import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { Failure } from "../base/failure.js";
import { paddedRoot } from "../config/install-tree.js";
import { openStore } from "../io/store/disk-store.js";
import { graphOfDatabase } from "../push/plan.js";
import type { DagHash } from "../spec/dag-hash.js";
import { formatShort } from "../spec/format-concrete.js";
import { createMatcher } from "../spec/matches.js";
import { parseSpec } from "../spec/parse-spec.js";
import type { Database } from "../store/database.js";
import type { Store } from "../store/store.js";
import type { Context } from "./context.js";

export interface InstalledTree {
  readonly store: Store;
  /** The store's root as its packages name it. */
  readonly root: string;
  /** Where a path of the store is on this machine. */
  readonly locate: (path: string) => string;
}

/**
 * Opens a store that must be there.
 * @param sysroot the directory that the store's paths are below, where it is not `/`
 * @throws Failure `store.missing`
 */
export async function openInstalled(context: Context, sysroot?: string): Promise<InstalledTree> {
  const root = paddedRoot(context.installTree);
  const top = sysroot === undefined ? undefined : resolve(context.cwd, sysroot);
  const locate = (path: string): string => (top === undefined ? path : join(top, path));
  if (!existsSync(join(locate(root), ".spack-db", "index.json")))
    throw new Failure("not-found", `there is no store at ${locate(root)}: it has no .spack-db/index.json`, {
      code: "store.missing",
      subject: locate(root),
      hint: "Name the root of an install tree with --store.",
    });
  const store = await openStore(locate(root));
  return { store, root, locate };
}

/**
 * The installed packages that specs name, one each; without specs, all that were asked for.
 * @throws Failure `spec.no-match`, `spec.ambiguous`
 */
export function selectInstalled(
  database: Database,
  specs: readonly string[],
  { root }: { root: string },
): DagHash[] {
  if (specs.length === 0)
    return [...database.records.values()]
      .filter(({ installed, explicit, spec }) => installed && explicit && spec.external === undefined)
      .map(({ spec }) => spec.hash);
  const graph = graphOfDatabase(database, []);
  const matches = createMatcher(graph);
  const installed = [...database.records.values()]
    .filter((record) => record.installed)
    .map(({ spec }) => spec);
  return specs.map((text) => {
    const query = parseSpec(text);
    const found = installed.filter((spec) => matches(spec, query));
    const [only] = found;
    if (only === undefined)
      throw new Failure("not-found", `no package in ${root} matches ${text}`, {
        code: "spec.no-match",
        subject: text,
        hint: "`stowage find` lists what is installed.",
      });
    if (found.length > 1)
      throw new Failure("usage", `${text} matches ${found.length} packages in ${root}`, {
        code: "spec.ambiguous",
        subject: text,
        hint: `Say which: ${found.map((spec) => formatShort(spec)).join(", ")}.`,
      });
    return only.hash;
  });
}
