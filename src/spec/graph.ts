import { Failure } from "../base/failure.js";
import type { ConcreteSpec, Dependency, DependencyType, SpecGraph } from "./concrete-spec.js";
import type { DagHash } from "./dag-hash.js";
import { typeRank } from "./dependency-types.js";

/** Which part of a graph is meant: from which nodes, over which edges. */
export interface Walk {
  /** Where to start; the graph's roots by default. */
  readonly roots?: readonly DagHash[] | undefined;
  /** Edges of at least one of these types are followed; all edges by default. */
  readonly types?: readonly DependencyType[] | undefined;
}

/** The node with this hash. A graph has all its nodes, so asking for another is a bug. */
export function nodeOf(graph: SpecGraph, hash: DagHash): ConcreteSpec {
  const spec = graph.nodes.get(hash);
  if (spec === undefined) throw new Error(`the graph has no node ${hash}`);
  return spec;
}

/** A spec's dependencies over edges of some types, by name: the order of every walk of Spack's. */
export function dependenciesOf(spec: ConcreteSpec, types?: readonly DependencyType[]): readonly Dependency[] {
  return inOrder(
    types === undefined
      ? spec.dependencies
      : spec.dependencies.filter((edge) => edge.types.some((type) => types.includes(type))),
  );
}

/** Edges of one spec by name, then types: the order in which Spack walks them. */
export const inOrder = (edges: readonly Dependency[]): readonly Dependency[] =>
  edges.toSorted((a, b) =>
    a.name < b.name ? -1 : a.name > b.name ? 1 : typeRank(a.types) - typeRank(b.types),
  );

/** Roots and what they need, breadth first, each once. */
export function closure(
  graph: SpecGraph,
  { roots = graph.roots, types }: Walk = {},
): readonly ConcreteSpec[] {
  const seen = new Map(roots.map((hash) => [hash, nodeOf(graph, hash)]));
  for (const spec of seen.values())
    for (const { hash } of dependenciesOf(spec, types))
      if (!seen.has(hash)) seen.set(hash, nodeOf(graph, hash));
  return [...seen.values()];
}

/**
 * Every spec before its dependencies, as breadth first as that allows: Spack's order of an image's layers
 * (reversed) and of search paths.
 * @throws Failure `spec.cycle`
 */
export function topologicalOrder(
  graph: SpecGraph,
  { roots = graph.roots, types }: Walk = {},
): readonly ConcreteSpec[] {
  const reached = closure(graph, { roots, types });
  const waiting = new Map<DagHash, number>();
  const count = (hash: DagHash): void => void waiting.set(hash, (waiting.get(hash) ?? 0) + 1);
  for (const spec of reached) for (const { hash } of dependenciesOf(spec, types)) count(hash);
  const order: ConcreteSpec[] = [];
  const emit = (hash: DagHash): void => void order.push(nodeOf(graph, hash));
  for (const hash of new Set(roots)) if (!waiting.has(hash)) emit(hash);
  for (const spec of order) {
    for (const { hash } of dependenciesOf(spec, types)) {
      const left = (waiting.get(hash) ?? 0) - 1;
      waiting.set(hash, left);
      if (left === 0) emit(hash);
    }
  }
  if (order.length < reached.length) {
    const stuck = reached.find((spec) => !order.includes(spec));
    throw new Failure(
      "corrupt",
      `${stuck?.name}/${stuck?.hash} depends on itself, through others or directly`,
      {
        code: "spec.cycle",
      },
    );
  }
  return order;
}

/** One spec with all it needs, in the order of a `spec.json`: depth first, build specs of spliced ones after them. */
export function subgraph(graph: SpecGraph, root: DagHash): SpecGraph {
  const nodes = new Map<DagHash, ConcreteSpec>();
  const stack = [root];
  for (let hash = stack.pop(); hash !== undefined; hash = stack.pop()) {
    if (nodes.has(hash)) continue;
    const spec = nodeOf(graph, hash);
    nodes.set(hash, spec);
    const next = dependenciesOf(spec).map((edge) => edge.hash);
    if (spec.buildHash !== undefined && graph.nodes.has(spec.buildHash)) next.unshift(spec.buildHash);
    stack.push(...next.reverse());
  }
  return { roots: [root], nodes, format: graph.format };
}
