import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Failure } from "../base/failure.js";
import { paddedRoot } from "../config/install-tree.js";
import { diskFailure, systemCodeOf } from "../io/disk/disk-failure.js";
import { openStore } from "../io/store/disk-store.js";
import { graphOfDatabase } from "../push/plan.js";
import type { DagHash } from "../spec/dag-hash.js";
import { formatShort } from "../spec/format-concrete.js";
import { createMatcher } from "../spec/matches.js";
import { parseSpec } from "../spec/parse-spec.js";
import type { Database } from "../store/database.js";
import type { Store } from "../store/store.js";
import type { Context } from "./context.js";
import { noMatch } from "./no-match.js";

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
  if (!(await isThere(join(locate(root), ".spack-db", "index.json"))))
    throw new Failure("not-found", `there is no store at ${locate(root)}: it has no .spack-db/index.json`, {
      code: "store.missing",
      subject: locate(root),
      hint: "Name the root of an install tree with --store.",
    });
  const store = await openStore(locate(root));
  return { store, root, locate };
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCodeOf(error) ?? "")) return false;
    throw diskFailure(error, { doing: "look at", path });
  }
}

/**
 * The installed packages that specs name: one each, or with `all` all that match.
 * @throws Failure `spec.no-match`, `spec.ambiguous`
 */
export function selectInstalled(
  database: Database,
  specs: readonly string[],
  { root, all = false }: { readonly root: string; readonly all?: boolean | undefined },
): DagHash[] {
  const graph = graphOfDatabase(database, []);
  const matches = createMatcher(graph);
  const among = [...database.records.values()].filter(({ installed }) => installed).map(({ spec }) => spec);
  const chosen = specs.flatMap((text) => {
    const query = parseSpec(text);
    const found = among.filter((spec) => matches(spec, query));
    if (found.length === 0)
      throw noMatch(text, {
        graphs: [{ graph, among }],
        where: root,
        hint: "`stowage find` lists what is installed.",
      });
    if (found.length > 1 && !all)
      throw new Failure("usage", `${text} matches ${found.length} packages in ${root}`, {
        code: "spec.ambiguous",
        subject: text,
        hint: `Say which: ${found.map((spec) => formatShort(spec)).join(", ")}.`,
      });
    return found.map(({ hash }) => hash);
  });
  return [...new Set(chosen)];
}
