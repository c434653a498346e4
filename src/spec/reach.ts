import type { AbstractEdge } from "./abstract-spec.js";
import {
  dependenciesSatisfied,
  edgeSatisfies,
  isRuntime,
  type LeftEdge,
  type LeftSide,
} from "./satisfies.js";

/** Questions about one edge after which it pays to look at the whole graph. */
const worthIt = 100;

/** What a search would find below each node: a package that will do, one whose own dependencies will not, either. */
interface Reach<Node> {
  readonly good: ReadonlySet<Node>;
  readonly bad: ReadonlySet<Node>;
  /** Here it matters by which edge a package is found. */
  readonly unclear: ReadonlySet<Node>;
}

/**
 * Answers for all nodes of a graph at once whether the search below them finds what is wanted, so that
 * thousands of specs can be asked in one go.
 * @returns undefined where only the search itself can tell, or it is the shorter way
 */
export function createReach<Node, Edge extends LeftEdge>(
  side: LeftSide<Node, Edge>,
  nodes: () => Iterable<Node>,
): (node: Node, wanted: AbstractEdge) => boolean | undefined {
  const asked = new WeakMap<AbstractEdge, number>();
  const known = new WeakMap<AbstractEdge, Reach<Node>>();
  let parents: ReadonlyMap<Node, readonly Node[]> | undefined;
  return (node, wanted) => {
    const count = (asked.get(wanted) ?? 0) + 1;
    asked.set(wanted, count);
    if (count < worthIt) return undefined;
    parents ??= runtimeParents(side, nodes());
    const reach = known.get(wanted) ?? reachOf(wanted, { side, nodes: nodes(), parents });
    known.set(wanted, reach);
    const isGood = reach.good.has(node);
    return reach.unclear.has(node) || (isGood && reach.bad.has(node)) ? undefined : isGood;
  };
}

function reachOf<Node, Edge extends LeftEdge>(
  wanted: AbstractEdge,
  {
    side,
    nodes,
    parents,
  }: { side: LeftSide<Node, Edge>; nodes: Iterable<Node>; parents: ReadonlyMap<Node, readonly Node[]> },
): Reach<Node> {
  const willDo = (edge: Edge): boolean => edgeSatisfies(side, edge, wanted) && isRuntime(edge);
  const targets = new Set<Node>();
  for (const node of nodes)
    for (const edge of side.edges(node)) if (willDo(edge)) targets.add(side.target(edge));
  const isClear = (target: Node): boolean =>
    (parents.get(target) ?? []).every((parent) =>
      side.edges(parent).every((edge) => !isRuntime(edge) || side.target(edge) !== target || willDo(edge)),
    );
  const [good, bad, unclear]: [Node[], Node[], Node[]] = [[], [], []];
  for (const target of targets) {
    if (!isClear(target)) unclear.push(target);
    else if (dependenciesSatisfied(side, target, wanted.spec)) good.push(target);
    else bad.push(target);
  }
  const above = (below: readonly Node[]): ReadonlySet<Node> => {
    const found = new Set(below.flatMap((node) => parents.get(node) ?? []));
    // A set hands out what is added while it is walked.
    for (const node of found) for (const parent of parents.get(node) ?? []) found.add(parent);
    return found;
  };
  return { good: above(good), bad: above(bad), unclear: above(unclear) };
}

function runtimeParents<Node, Edge extends LeftEdge>(
  side: LeftSide<Node, Edge>,
  nodes: Iterable<Node>,
): ReadonlyMap<Node, readonly Node[]> {
  const parents = new Map<Node, Node[]>();
  for (const node of nodes)
    for (const edge of side.edges(node)) {
      if (!isRuntime(edge)) continue;
      const target = side.target(edge);
      const known = parents.get(target);
      if (known === undefined) parents.set(target, [node]);
      else known.push(node);
    }
  return parents;
}
