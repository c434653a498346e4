import { intersects as versionsIntersect, satisfies as versionsSatisfy } from "../version/version-list.js";
import { type AbstractEdge, type AbstractSpec, emptySpec } from "./abstract-spec.js";
import { architectureSatisfies, architecturesIntersect } from "./architecture.js";
import type { DependencyType } from "./concrete-spec.js";
import type { Flag } from "./flags.js";
import { variantSatisfies, variantsIntersect } from "./variant.js";

/** A dependency of the spec that is compared, which may be a concrete one. */
export interface LeftEdge {
  readonly name: string | undefined;
  readonly types: readonly DependencyType[];
  readonly virtuals: readonly string[];
  readonly when?: AbstractSpec | undefined;
}

/** What the comparison asks of a spec; abstract and concrete ones answer it. */
export interface LeftSide<Node, Edge extends LeftEdge> {
  satisfiesNode(node: Node, query: AbstractSpec): boolean;
  /** Whether it may be such a one. */
  meets(node: Node, condition: AbstractSpec): boolean;
  edges(node: Node): readonly Edge[];
  target(edge: Edge): Node;
  /** What the search below a node would come to, where that is known without searching. */
  reaches?(node: Node, wanted: AbstractEdge): boolean | undefined;
}

/**
 * Whether every package that `a` allows, `b` allows, too, as Spack 1.3 answers it (spec.py, `Spec._satisfies`).
 * What a package provides is known from the virtuals on edges only, not from a package repository.
 */
export const satisfies = (a: AbstractSpec, b: AbstractSpec): boolean => satisfiesWithin(abstractSide, a, b);

/** Whether a package can be both (spec.py, `Spec._intersects`). */
export function intersects(a: AbstractSpec, b: AbstractSpec): boolean {
  if (
    a.hash !== undefined &&
    b.hash !== undefined &&
    !a.hash.startsWith(b.hash) &&
    !b.hash.startsWith(a.hash)
  )
    return false;
  if (a.name !== undefined && b.name !== undefined && a.name !== b.name) return false;
  if (a.namespace !== undefined && b.namespace !== undefined && a.namespace !== b.namespace) return false;
  if (!versionsIntersect(a.versions, b.versions)) return false;
  for (const [name, variant] of b.variants) {
    const own = a.variants.get(name);
    if (own !== undefined && !variantsIntersect(own, variant)) return false;
  }
  if (a.architecture && b.architecture && !architecturesIntersect(a.architecture, b.architecture))
    return false;
  return dependenciesIntersect(a, b);
}

function dependenciesIntersect(a: AbstractSpec, b: AbstractSpec): boolean {
  const names = new Set(b.dependencies.map((edge) => edge.spec.name));
  for (const { spec } of a.dependencies) {
    if (!names.delete(spec.name)) continue;
    const [own, other] = [dependencyNamed(a, spec.name), dependencyNamed(b, spec.name)];
    if (own !== undefined && other !== undefined && !intersects(own, other)) return false;
  }
  return true;
}

const ofTypes = (spec: AbstractSpec, types: readonly DependencyType[]): readonly AbstractEdge[] =>
  spec.dependencies.filter(
    (edge) => edge.types.length === 0 || edge.types.some((type) => types.includes(type)),
  );

/** Spack's `spec[name]`: build dependencies first, then link and run dependencies at any depth. */
function dependencyNamed(spec: AbstractSpec, name: string | undefined): AbstractSpec | undefined {
  const queue = [...ofTypes(spec, ["build", "test"])];
  const below = [...ofTypes(spec, ["link", "run"])];
  for (const edge of below) below.push(...ofTypes(edge.spec, ["link", "run"]));
  const isIt = (edge: AbstractEdge) => edge.spec.name === name || edge.virtuals.includes(name ?? "");
  return [...queue, ...below].find(isIt)?.spec;
}

export const abstractSide: LeftSide<AbstractSpec, LeftEdge & { readonly spec: AbstractSpec }> = {
  satisfiesNode,
  meets: intersects,
  edges: (spec) => spec.dependencies.map((edge) => ({ ...edge, name: edge.spec.name })),
  target: (edge) => edge.spec,
};

/** `satisfies` for whatever can stand on its left side. */
export const satisfiesWithin = <Node, Edge extends LeftEdge>(
  side: LeftSide<Node, Edge>,
  node: Node,
  query: AbstractSpec,
): boolean => side.satisfiesNode(node, query) && dependenciesSatisfied(side, node, query);

/** Whether a node has all dependencies that a query asks for. */
export function dependenciesSatisfied<Node, Edge extends LeftEdge>(
  side: LeftSide<Node, Edge>,
  node: Node,
  query: AbstractSpec,
): boolean {
  return query.dependencies.every((wanted) => {
    if (wanted.when !== undefined && !side.meets(node, wanted.when)) return true;
    let found = side.edges(node).find((edge) => edgeSatisfies(side, edge, wanted));
    if (found === undefined && !wanted.direct) {
      const reached = side.reaches?.(node, wanted);
      if (reached !== undefined) return reached;
      found = edgeBelow(side, node, wanted);
    }
    return found !== undefined && dependenciesSatisfied(side, side.target(found), wanted.spec);
  });
}

/** The first edge that will do, breadth first over link and run edges. */
function edgeBelow<Node, Edge extends LeftEdge>(
  side: LeftSide<Node, Edge>,
  root: Node,
  wanted: AbstractEdge,
): Edge | undefined {
  const queue = side.edges(root).filter(isRuntime);
  const seen = new Set(queue.map(side.target));
  for (const edge of queue) {
    if (edgeSatisfies(side, edge, wanted)) return edge;
    for (const next of side.edges(side.target(edge))) {
      // As in Spack, the first edge to a package speaks for all edges to it.
      if (!isRuntime(next) || seen.has(side.target(next))) continue;
      seen.add(side.target(next));
      queue.push(next);
    }
  }
  return undefined;
}

export const isRuntime = ({ types }: LeftEdge): boolean =>
  types.length === 0 || types.includes("link") || types.includes("run");

/** Whether a dependency is what is wanted of one; how the package came to it is not looked at. */
export function edgeSatisfies<Node, Edge extends LeftEdge>(
  side: LeftSide<Node, Edge>,
  edge: Edge,
  wanted: AbstractEdge,
): boolean {
  const { spec: query } = wanted;
  const isVirtual = query.name !== undefined && query.name !== edge.name;
  if (isVirtual && !edge.virtuals.includes(query.name)) return false;
  if (edge.when !== undefined && !satisfies(wanted.when ?? emptySpec, edge.when)) return false;
  if (!wanted.virtuals.every((virtual) => edge.virtuals.includes(virtual))) return false;
  if (!wanted.types.every((type) => edge.types.includes(type))) return false;
  // Which version of a virtual a package provides, only a package repository knows.
  return isVirtual ? isAnyVersion(query) : side.satisfiesNode(side.target(edge), query);
}

export const isAnyVersion = ({ versions: [first, ...more] }: AbstractSpec): boolean =>
  more.length === 0 && first?.kind === "range" && first.text === ":";

function satisfiesNode(a: AbstractSpec, b: AbstractSpec): boolean {
  if (a.name !== undefined && b.name !== undefined && a.name !== b.name) return false;
  if (b.hash !== undefined && !a.hash?.startsWith(b.hash)) return false;
  if (a.namespace !== undefined && b.namespace !== undefined && a.namespace !== b.namespace) return false;
  if (!versionsSatisfy(a.versions, b.versions) || !variantsSatisfy(a, b)) return false;
  if (b.architecture && !(a.architecture && architectureSatisfies(a.architecture, b.architecture)))
    return false;
  return flagsSatisfy((key) => a.flags.get(key)?.map((flag) => flag.text), b.flags);
}

/** Whether all flags that are wanted are there. */
export function flagsSatisfy(
  own: (key: string) => readonly string[] | undefined,
  wanted: ReadonlyMap<string, readonly Flag[]>,
): boolean {
  for (const [key, flags] of wanted) {
    const present = own(key);
    if (present === undefined || !flags.every((flag) => present.includes(flag.text))) return false;
  }
  return true;
}

function variantsSatisfy(a: AbstractSpec, b: AbstractSpec): boolean {
  for (const variant of b.variants.values()) {
    if (variant.propagate) continue;
    const own = a.variants.get(variant.name);
    if (own === undefined || own.propagate || !variantSatisfies(own, variant)) return false;
  }
  return propagatedAgree(a, b) && propagatedAgree(b, a);
}

/** Whether no node of `a` contradicts what `b` propagates. */
function propagatedAgree(a: AbstractSpec, b: AbstractSpec): boolean {
  const propagated = [...b.variants.values()].filter((variant) => variant.propagate);
  if (propagated.length === 0) return true;
  return nodesOf(a).every((node) =>
    propagated.every((variant) => {
      const own = node.variants.get(variant.name);
      return own === undefined || variantSatisfies(own, variant);
    }),
  );
}

const nodesOf = (spec: AbstractSpec): readonly AbstractSpec[] => [
  spec,
  ...spec.dependencies.flatMap((edge) => nodesOf(edge.spec)),
];
