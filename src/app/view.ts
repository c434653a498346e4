import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { Failure } from "../base/failure.js";
import { aliasOf } from "../install/alias.js";
import { systemFiles } from "../io/system/files.js";
import { graphOfDatabase } from "../push/plan.js";
import { formatShort } from "../spec/format-concrete.js";
import { nodeOf, topologicalOrder } from "../spec/graph.js";
import { makeView, type ViewMethod, type ViewProblem } from "../view/make.js";
import { planView, type ViewConflict, type ViewPackage, type ViewPlan } from "../view/plan.js";
import { openContext, type StowageOptions } from "./context.js";
import { openInstalled, selectInstalled } from "./installed.js";

export { type ViewMethod, viewMethods } from "../view/make.js";

export interface ViewOptions extends StowageOptions {
  readonly method?: ViewMethod | undefined;
  /** `false`: only the packages named, without what they need to run. */
  readonly dependencies?: boolean | undefined;
  /** Leaves out packages whose names match. */
  readonly exclude?: readonly RegExp[] | undefined;
  /** Where two have something at one path, the first keeps it. */
  readonly ignoreConflicts?: boolean | undefined;
}

export interface ViewResult {
  readonly plan: ViewPlan;
  /** What still names the place where it was installed. */
  readonly problems: readonly ViewProblem[];
}

/**
 * Makes one directory of installed packages and what they need to run.
 * @throws Failure `spec.no-match`, `spec.ambiguous`; `view.conflict` before anything is written
 */
export async function view(
  directory: string,
  specs: readonly string[],
  options: ViewOptions = {},
): Promise<ViewResult> {
  const context = await openContext(options);
  const { store, root: storeRoot } = await openInstalled(context);
  const database = await store.readDatabase(context);
  const hashes = selectInstalled(database, specs, { root: storeRoot });
  const graph = graphOfDatabase(database, hashes);
  const { exclude = [], method = "symlink" } = options;
  const wanted =
    options.dependencies === false
      ? hashes.map((hash) => nodeOf(graph, hash))
      : topologicalOrder(graph, { types: ["link", "run"] });
  const packages = wanted.flatMap((spec): ViewPackage[] => {
    const prefix = database.records.get(spec.hash)?.path;
    const left = exclude.some((pattern) => pattern.test(spec.name));
    return spec.external !== undefined || prefix === undefined || left
      ? []
      : [{ spec, prefix, alias: aliasOf(store, spec.hash) }];
  });
  const root = resolve(context.cwd, directory);
  const plan = planView(packages, { root, files: systemFiles });
  const inTheWay = plan.conflicts.filter(
    ({ type }) => type === "package" || options.ignoreConflicts !== true,
  );
  if (inTheWay.length > 0) throw conflictFailure(root, inTheWay);
  await mkdir(root, { recursive: true });
  return { plan, problems: makeView(plan, { ...context, method, files: systemFiles, storeRoot }) };
}

function conflictFailure(root: string, conflicts: readonly ViewConflict[]): Failure {
  const shown = conflicts.slice(0, 5).map((conflict) => {
    const who = formatShort(conflict.spec);
    if (conflict.type === "package") return `${who} beside ${formatShort(conflict.other)}`;
    const owner =
      conflict.other === undefined ? "it is there already" : `${formatShort(conflict.other)} has it`;
    return `${conflict.name} of ${who}: ${owner}`;
  });
  const more = conflicts.length > shown.length ? `; and ${conflicts.length - shown.length} more` : "";
  const isPackage = conflicts.some(({ type }) => type === "package");
  return new Failure("conflict", `${root} has no place for ${shown.join("; ")}${more}`, {
    code: "view.conflict",
    subject: root,
    hint: isPackage
      ? "A view has one package of each name: leave one out with --exclude, or make another view."
      : "--ignore-conflicts keeps what is there first; nothing was written.",
  });
}
