import { intersects as versionsIntersect, satisfies as versionsSatisfy } from "../version/version-list.js";
import type { AbstractEdge, AbstractSpec } from "./abstract-spec.js";
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
  /** Which nodes have what an edge wants below them, as far as it was found out; for sides that never change. */
  readonly reached?: WeakMap<AbstractEdge, Reached<Node>> | undefined;
}

interface Reached<Node> {
  readonly yes: Set<Node>;
  readonly no: Set<Node>;
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

function dependenciesSatisfied<Node, Edge extends LeftEdge>(
  side: LeftSide<Node, Edge>,
  node: Node,
  query: AbstractSpec,
): boolean {
  return query.dependencies.every((wanted) => {
    if (wanted.when !== undefined && !side.meets(node, wanted.when)) return true;
    const found = satisfyingEdge(side, node, wanted);
    return found !== undefined && dependenciesSatisfied(side, side.target(found), wanted.spec);
  });
}

/** The first edge that will do: of the node itself, then breadth first over link and run edges. */
function satisfyingEdge<Node, Edge extends LeftEdge>(
  side: LeftSide<Node, Edge>,
  root: Node,
  wanted: AbstractEdge,
): Edge | undefined {
  const own = side.edges(root);
  const found = own.find((edge) => edgeSatisfies(side, edge, wanted));
  if (found !== undefined || wanted.direct || !mayBeBelow(side, root, wanted)) return found;
  const queue = own.filter(isRuntime);
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

const isRuntime = ({ types }: LeftEdge): boolean =>
  types.length === 0 || types.includes("link") || types.includes("run");

/** Whether any edge below will do, remembered for the next question: specs share most of what is below them. */
function mayBeBelow<Node, Edge extends LeftEdge>(
  side: LeftSide<Node, Edge>,
  root: Node,
  wanted: AbstractEdge,
): boolean {
  if (side.reached === undefined) return true;
  const { yes, no } = side.reached.get(wanted) ?? { yes: new Set(), no: new Set() };
  side.reached.set(wanted, { yes, no });
  if (no.has(root)) return false;
  const seen = new Set([root]);
  for (const node of seen) {
    for (const edge of side.edges(node)) {
      if (!isRuntime(edge)) continue;
      const target = side.target(edge);
      if (yes.has(target) || edgeSatisfies(side, edge, wanted)) {
        yes.add(node).add(root);
        return true;
      }
      if (!no.has(target)) seen.add(target);
    }
  }
  // All that is below any of them was looked at.
  for (const node of seen) no.add(node);
  return false;
}

function edgeSatisfies<Node, Edge extends LeftEdge>(
  side: LeftSide<Node, Edge>,
  edge: Edge,
  wanted: AbstractEdge,
): boolean {
  const { spec: query } = wanted;
  const isVirtual = query.name !== undefined && query.name !== edge.name;
  if (isVirtual && !edge.virtuals.includes(query.name)) return false;
  if (edge.when !== undefined && (wanted.when === undefined || !satisfies(wanted.when, edge.when)))
    return false;
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
