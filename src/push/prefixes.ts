import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { closure, dependenciesOf } from "../spec/graph.js";

/**
 * The prefixes that a package may refer to, in the order of `hash_to_prefix`: itself and what it links, breadth
 * first, then its direct run dependencies. Externals have no prefix of ours.
 */
export function prefixesOf(
  graph: SpecGraph,
  spec: ConcreteSpec,
  prefixOf: (hash: DagHash) => string | undefined,
): (readonly [DagHash, string])[] {
  const hashes = new Set(closure(graph, { roots: [spec.hash], types: ["link"] }).map(({ hash }) => hash));
  for (const { hash } of dependenciesOf(spec, ["run"])) hashes.add(hash);
  return [...hashes].flatMap((hash) => {
    const prefix = graph.nodes.get(hash)?.external === undefined ? prefixOf(hash) : undefined;
    return prefix === undefined ? [] : [[hash, prefix] as const];
  });
}
