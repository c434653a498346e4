import type { SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { closure } from "../spec/graph.js";

/** Tells how many of a graph's roots need a package to run, themselves among them. */
export function countDependents(graph: SpecGraph): (hash: DagHash | undefined) => number {
  const counts = new Map<DagHash, number>();
  for (const root of graph.roots)
    for (const { hash } of closure(graph, { roots: [root], types: ["link", "run"] }))
      counts.set(hash, (counts.get(hash) ?? 0) + 1);
  return (hash) => (hash === undefined ? 0 : (counts.get(hash) ?? 0));
}
