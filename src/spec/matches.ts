import { satisfies as versionsSatisfy } from "../version/version-list.js";
import { type AbstractSpec, emptySpec } from "./abstract-spec.js";
import { architectureSatisfies } from "./architecture.js";
import type { ConcreteSpec, Dependency, SpecGraph } from "./concrete-spec.js";
import { concreteVersion } from "./concrete-version.js";
import type { DagHash } from "./dag-hash.js";
import { closure, nodeOf } from "./graph.js";
import { createReach } from "./reach.js";
import {
  abstractSide,
  flagsSatisfy,
  isAnyVersion,
  type LeftEdge,
  type LeftSide,
  satisfiesWithin,
} from "./satisfies.js";
import { recordedVariant, type Variant, variantSatisfies } from "./variant.js";

/** The compiler of a spec from before format 5 is no node of the graph: a name and a version are known of it. */
type Node = ConcreteSpec | AbstractSpec;
type Edge = Dependency | (LeftEdge & { readonly spec: AbstractSpec });

const isConcrete = (node: Node): node is ConcreteSpec => "node" in node;

/**
 * Answers whether concrete specs of a graph are what queries ask for, as Spack 1.3 does (spec.py, `Spec.satisfies`).
 * Virtuals are known from the graph's edges: which version of a virtual a package provides is not.
 */
export function createMatcher(graph: SpecGraph): (spec: ConcreteSpec, query: AbstractSpec) => boolean {
  let provided: ReadonlyMap<DagHash, ReadonlySet<string>> | undefined;
  const provides: Provides = (spec, virtual) => {
    provided ??= virtualsProvided(graph);
    return provided.get(spec.hash)?.has(virtual) ?? false;
  };
  const side: LeftSide<Node, Edge> = {
    satisfiesNode: (node, query) =>
      isConcrete(node)
        ? nodeMatches(node, query, { graph, provides })
        : abstractSide.satisfiesNode(node, query),
    meets: (node, condition) => satisfiesWithin(side, node, condition),
    edges: (node) => (isConcrete(node) ? edgesOf(node) : []),
    target: (edge) => ("spec" in edge ? edge.spec : nodeOf(graph, edge.hash)),
  };
  const quick = { ...side, reaches: createReach(side, () => graph.nodes.values()) };
  return (spec, query) => satisfiesWithin(quick, spec, query);
}

function edgesOf({ dependencies, compiler }: ConcreteSpec): readonly Edge[] {
  if (compiler === undefined) return dependencies;
  const { name, version } = compiler;
  const spec: AbstractSpec = { ...emptySpec, name, versions: [concreteVersion(version)] };
  return [...dependencies, { spec, name, types: ["build"], virtuals: ["c", "cxx", "fortran"] }];
}

type Provides = (spec: ConcreteSpec, virtual: string) => boolean;

/** What each package stands for in the eyes of those that depend on it. */
function virtualsProvided(graph: SpecGraph): ReadonlyMap<DagHash, ReadonlySet<string>> {
  const provided = new Map<DagHash, Set<string>>();
  for (const spec of graph.nodes.values())
    for (const { hash, virtuals } of spec.dependencies) {
      if (virtuals.length === 0) continue;
      const names = provided.get(hash) ?? new Set();
      for (const virtual of virtuals) names.add(virtual);
      provided.set(hash, names);
    }
  return provided;
}

function nodeMatches(
  spec: ConcreteSpec,
  query: AbstractSpec,
  { graph, provides }: { graph: SpecGraph; provides: Provides },
): boolean {
  // Of a virtual package only the version counts.
  if (query.name !== undefined && query.name !== spec.name)
    return isAnyVersion(query) && provides(spec, query.name);
  if (query.hash !== undefined && !spec.hash.startsWith(query.hash)) return false;
  if (query.namespace !== undefined && spec.namespace !== undefined && query.namespace !== spec.namespace)
    return false;
  if (!versionsSatisfy(concreteVersion(spec.version), query.versions)) return false;
  if (!variantsMatch(spec, query, graph)) return false;
  if (query.architecture !== undefined && !architectureSatisfies(spec, query.architecture)) return false;
  return flagsSatisfy((key) => flagsOf(spec, key), query.flags);
}

/** A variant or a list of flags, as recorded; undefined where the package has none of that name. */
export const parameterOf = ({ parameters }: ConcreteSpec, name: string): unknown =>
  Object.hasOwn(parameters, name) ? parameters[name] : undefined;

function flagsOf(spec: ConcreteSpec, key: string): readonly string[] | undefined {
  const flags = parameterOf(spec, key);
  return Array.isArray(flags) ? flags.map(String) : undefined;
}

function variantsMatch(spec: ConcreteSpec, query: AbstractSpec, graph: SpecGraph): boolean {
  if (query.variants.size === 0) return true;
  const propagated: Variant[] = [];
  for (const wanted of query.variants.values()) {
    if (wanted.propagate) propagated.push(wanted);
    else if (variantAgrees(spec, wanted) !== true) return false;
  }
  if (propagated.length === 0) return true;
  const below = closure(graph, { roots: [spec.hash] });
  return below.every((node) => propagated.every((wanted) => variantAgrees(node, wanted) !== false));
}

/** undefined where the package has no such variant. */
function variantAgrees(spec: ConcreteSpec, wanted: Variant): boolean | undefined {
  const value = parameterOf(spec, wanted.name);
  // Most variants are switches.
  if (typeof value === "boolean" && wanted.type === "bool") return value === wanted.values[0];
  return value === undefined ? undefined : variantSatisfies(recordedVariant(wanted.name, value), wanted);
}
