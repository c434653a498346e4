import type { ConcreteSpec, DependencyType, SpecGraph } from "./concrete-spec.js";
import type { DagHash } from "./dag-hash.js";
import { nodeOf } from "./graph.js";

/** Who depends on what, looked at from below. */
export interface Needs {
  /** Direct dependents, and over which types of edges. */
  dependents(
    hash: DagHash,
  ): readonly { readonly spec: ConcreteSpec; readonly types: readonly DependencyType[] }[];
  /** For each of `roots` that needs a package to run, the shortest way there: the root first, the package last. */
  waysTo(hash: DagHash, roots: ReadonlySet<DagHash>): readonly (readonly ConcreteSpec[])[];
}

/** @param among the specs whose needs count: those that are installed, or in a mirror */
export function needsOf(graph: SpecGraph, among: Iterable<ConcreteSpec>): Needs {
  const users = new Map<DagHash, { spec: ConcreteSpec; types: readonly DependencyType[] }[]>();
  for (const spec of among)
    for (const { hash, types } of spec.dependencies)
      users.set(hash, [...(users.get(hash) ?? []), { spec, types }]);
  return {
    dependents: (hash) => users.get(hash) ?? [],
    waysTo(hash, roots) {
      // Breadth first from the package upwards: how each dependent is first met is its shortest way down.
      const next = new Map<DagHash, DagHash | undefined>([[hash, undefined]]);
      for (const [at] of next)
        for (const { spec, types } of users.get(at) ?? [])
          if (!next.has(spec.hash) && (types.includes("link") || types.includes("run")))
            next.set(spec.hash, at);
      return [...next.keys()]
        .filter((one) => one !== hash && roots.has(one))
        .map((root) => {
          const way: ConcreteSpec[] = [];
          for (let at: DagHash | undefined = root; at !== undefined; at = next.get(at))
            way.push(nodeOf(graph, at));
          return way;
        });
    },
  };
}
