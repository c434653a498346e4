import type { ConcreteSpec, DependencyType, SpecGraph } from "../spec/concrete-spec.js";
import { differencesBetween, type SpecDifference } from "../spec/difference.js";
import { type Explanation, explain, type NearMiss } from "../spec/explain.js";
import { nearestTree } from "../spec/format-concrete.js";
import { createMatcher } from "../spec/matches.js";
import { needsOf } from "../spec/needs.js";
import { parseSpec } from "../spec/parse-spec.js";
import { type CatalogOptions, openCatalog } from "./catalog.js";

export interface TreeOptions extends CatalogOptions {
  /** Only dependencies of these types; all by default. */
  readonly types?: readonly DependencyType[] | undefined;
}

export interface TreeNode {
  readonly spec: ConcreteSpec;
  /** 0 for the package itself. */
  readonly depth: number;
  /** Types of all edges of the tree that lead to it; none for the package itself. */
  readonly types: readonly DependencyType[];
  /** `known` where only its spec is there. */
  readonly state: "present" | "external" | "known";
}

/**
 * What a package depends on, each at the place where it is nearest to the package.
 * @throws Failure `spec.no-match`, `spec.ambiguous`
 */
export async function tree(spec: string, options: TreeOptions = {}): Promise<readonly TreeNode[]> {
  const catalog = await openCatalog(options);
  const root = catalog.select(spec);
  const graph = withEdges(catalog.graph, options.types);
  const present = new Set(catalog.among.map(({ hash }) => hash));
  const nodes = nearestTree(graph, root.hash);
  return nodes.map(({ spec: node, depth }) => ({
    spec: node,
    depth,
    types: [
      ...new Set(
        nodes.flatMap((other) =>
          other.spec.dependencies.filter(({ hash }) => hash === node.hash).flatMap(({ types }) => types),
        ),
      ),
    ],
    state: node.external !== undefined ? "external" : present.has(node.hash) ? "present" : "known",
  }));
}

function withEdges(graph: SpecGraph, types: readonly DependencyType[] | undefined): SpecGraph {
  if (types === undefined) return graph;
  const nodes = [...graph.nodes].map(([hash, spec]) => {
    const dependencies = spec.dependencies.filter((edge) => edge.types.some((type) => types.includes(type)));
    return [hash, { ...spec, dependencies }] as const;
  });
  return { ...graph, nodes: new Map(nodes) };
}

export interface DiffResult {
  readonly a: ConcreteSpec;
  readonly b: ConcreteSpec;
  readonly differences: readonly SpecDifference[];
}

/**
 * What two packages, with all that they depend on, do not have in common.
 * @throws Failure `spec.no-match`, `spec.ambiguous`
 */
export async function diff(
  [first, second]: readonly [a: string, b: string],
  options: CatalogOptions = {},
): Promise<DiffResult> {
  const { graph, select } = await openCatalog(options);
  const [a, b] = [select(first), select(second)];
  return { a, b, differences: differencesBetween({ graph, root: a.hash }, { graph, root: b.hash }) };
}

/** Why a package is there. */
export interface Reason {
  readonly spec: ConcreteSpec;
  /** Someone asked for it; in a mirror, no other package needs it. */
  readonly asked: boolean;
  readonly dependents: readonly { readonly spec: ConcreteSpec; readonly types: readonly DependencyType[] }[];
  /** From what was asked for to the package, the shortest ways. */
  readonly ways: readonly (readonly ConcreteSpec[])[];
}

export interface WhyResult extends Pick<Explanation, "similarNames"> {
  /** Root of the store, or the mirror's name. */
  readonly where: string;
  /** The packages that match; where there are none, the rest says what comes nearest. */
  readonly reasons: readonly Reason[];
  readonly nearest: readonly NearMiss[];
}

/** Why packages are there, or why none is what was asked for. */
export async function why(spec: string, options: CatalogOptions = {}): Promise<WhyResult> {
  const { where, graph, among, asked } = await openCatalog(options);
  const query = parseSpec(spec);
  const matches = createMatcher(graph);
  const needs = needsOf(graph, among);
  const reasons = among
    .filter((one) => matches(one, query))
    .map((one) => ({
      spec: one,
      asked: asked.has(one.hash),
      dependents: needs.dependents(one.hash),
      ways: needs.waysTo(one.hash, asked),
    }));
  const explanation = reasons.length > 0 ? undefined : explain(graph, query, { among });
  return {
    where,
    reasons,
    nearest: explanation?.nearest ?? [],
    similarNames: explanation?.similarNames ?? [],
  };
}
