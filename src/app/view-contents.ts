import { resolve } from "node:path";
import { Failure } from "../base/failure.js";
import { aliasOf } from "../install/alias.js";
import { systemFiles } from "../io/system/files.js";
import { graphOfDatabase } from "../push/plan.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { formatShort } from "../spec/format-concrete.js";
import { closure, nodeOf } from "../spec/graph.js";
import { createMatcher } from "../spec/matches.js";
import { parseSpec } from "../spec/parse-spec.js";
import type { ViewPackage } from "../view/plan.js";
import { type LinkedPackage, packagesIn, type RemovedFromView, removeFromView } from "../view/remove.js";
import { openContext, type StowageOptions } from "./context.js";
import { openInstalled } from "./installed.js";
import { noMatch } from "./no-match.js";

export type { LinkedPackage } from "../view/remove.js";

export interface ViewStatus {
  readonly root: string;
  readonly packages: readonly LinkedPackage[];
}

/**
 * The packages of a view; with specs those that match.
 * @throws Failure `spec.no-match`, `spec.invalid`
 */
export async function viewStatus(
  directory: string,
  specs: readonly string[] = [],
  options: StowageOptions = {},
): Promise<ViewStatus> {
  const context = await openContext(options);
  const root = resolve(context.cwd, directory);
  const packages = packagesIn(root, systemFiles);
  if (specs.length === 0) return { root, packages };
  const chosen = matching(packages, specs, root);
  return { root, packages: packages.filter(({ spec }) => spec !== undefined && chosen.has(spec.hash)) };
}

export interface ViewRemoveOptions extends StowageOptions {
  /** Everything that the view has. */
  readonly all?: boolean | undefined;
  /** `false`: only the packages named, and not what they alone need. */
  readonly dependencies?: boolean | undefined;
  /** `false`: refuse where something in the view needs what is named, instead of removing that too. */
  readonly dependents?: boolean | undefined;
}

export interface ViewRemoveResult extends RemovedFromView {
  readonly root: string;
  readonly removed: readonly ConcreteSpec[];
}

/**
 * Takes packages out of a view, with what needs them, and what nothing else in the view needs then.
 * @throws Failure `spec.no-match`, `view.needed` before anything is removed
 */
export async function viewRemove(
  directory: string,
  specs: readonly string[],
  options: ViewRemoveOptions = {},
): Promise<ViewRemoveResult> {
  const context = await openContext(options);
  const { store, root: storeRoot } = await openInstalled(context);
  const database = await store.readDatabase(context);
  const root = resolve(context.cwd, directory);
  const linked = packagesIn(root, systemFiles).flatMap(({ spec }) => spec ?? []);
  const graph = graphOfDatabase(database, []);
  const known = linked.filter(({ hash }) => graph.nodes.has(hash));
  const asked =
    options.all === true ? new Set(known.map(({ hash }) => hash)) : matching(linkedOf(known), specs, root);
  const going = withDependents(asked, known, graph);
  if (options.dependents === false && going.size > asked.size) {
    const others = known.filter(({ hash }) => going.has(hash) && !asked.has(hash));
    throw new Failure(
      "conflict",
      `${others.map((other) => formatShort(other)).join(", ")} in ${root} need what is to be removed`,
      {
        code: "view.needed",
        subject: root,
        hint: "Leave out --no-remove-dependents to remove them too.",
      },
    );
  }
  if (options.dependencies !== false) addUnneeded(going, known, graph);
  const packageOf = ({ hash }: ConcreteSpec): ViewPackage[] => {
    const prefix = database.records.get(hash)?.path;
    return prefix === undefined ? [] : [{ spec: nodeOf(graph, hash), prefix, alias: aliasOf(store, hash) }];
  };
  const packages = known.flatMap(packageOf);
  const remove = packages.filter(({ spec }) => going.has(spec.hash));
  const done = removeFromView({ ...context, root, packages, remove, files: systemFiles, storeRoot });
  return { root, removed: remove.map(({ spec }) => spec), ...done };
}

const linkedOf = (specs: readonly ConcreteSpec[]): readonly LinkedPackage[] =>
  specs.map((spec) => ({ name: spec.name, spec }));

/** @throws Failure `spec.no-match` for a spec that nothing in the view matches */
function matching(packages: readonly LinkedPackage[], specs: readonly string[], root: string): Set<DagHash> {
  const among = packages.flatMap(({ spec }) => spec ?? []);
  const nodes = new Map(among.map((spec) => [spec.hash, { ...spec, dependencies: [] }]));
  const graph: SpecGraph = { roots: [], nodes, format: 5 };
  const matches = createMatcher(graph);
  return new Set(
    specs.flatMap((text) => {
      const query = parseSpec(text);
      const found = [...nodes.values()].filter((spec) => matches(spec, query));
      if (found.length === 0)
        throw noMatch(text, {
          graphs: [{ graph, among: [...nodes.values()] }],
          where: root,
          hint: "`stowage view status DIR` lists what is in a view.",
        });
      return found.map(({ hash }) => hash);
    }),
  );
}

const types = ["link", "run"] as const;

/** What is named, and what of the view needs it. */
function withDependents(
  named: ReadonlySet<DagHash>,
  linked: readonly ConcreteSpec[],
  graph: SpecGraph,
): Set<DagHash> {
  return new Set(
    linked
      .filter(({ hash }) => closure(graph, { roots: [hash], types }).some((spec) => named.has(spec.hash)))
      .map(({ hash }) => hash),
  );
}

/** What only packages that go needed goes as well. */
function addUnneeded(going: Set<DagHash>, linked: readonly ConcreteSpec[], graph: SpecGraph): void {
  const needed = (staying: readonly ConcreteSpec[]) =>
    new Set(closure(graph, { roots: staying.map(({ hash }) => hash), types }).map(({ hash }) => hash));
  const theirs = needed(linked.filter(({ hash }) => going.has(hash)));
  const kept = needed(linked.filter(({ hash }) => !theirs.has(hash)));
  for (const { hash } of linked) if (theirs.has(hash) && !kept.has(hash)) going.add(hash);
}
