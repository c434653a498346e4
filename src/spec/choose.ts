import { comparePlaces } from "../version/order.js";
import type { AbstractSpec } from "./abstract-spec.js";
import type { ConcreteSpec, SpecGraph } from "./concrete-spec.js";
import { type Recency, recencyOf } from "./concrete-version.js";
import type { Host } from "./host.js";
import { createMatcher } from "./matches.js";
import { depthOf, runsOn } from "./target.js";

/** Which specs of a graph are meant, and where they are to run. */
export interface Choice {
  /** All of the graph by default. */
  readonly among?: Iterable<ConcreteSpec> | undefined;
  /** Leaves out what this machine cannot run. */
  readonly host?: Host | undefined;
}

/** Whether a machine runs a binary, as far as its architecture tells. */
export const runsHere = ({ platform, target }: ConcreteSpec, host: Host): boolean =>
  platform === host.platform && runsOn(target, host.target);

/** The specs that a query asks for and the host runs, the best first. */
export function candidates(
  graph: SpecGraph,
  query: AbstractSpec,
  { among = graph.nodes.values(), host }: Choice = {},
): readonly ConcreteSpec[] {
  const matches = createMatcher(graph);
  const found: Ranked[] = [];
  for (const spec of among)
    if (matches(spec, query) && (host === undefined || runsHere(spec, host)))
      found.push(rankedFor(spec, host));
  return found.sort(preference).map(({ spec }) => spec);
}

/** The best of the specs that a query asks for; undefined where there is none. */
export const best = (graph: SpecGraph, query: AbstractSpec, choice?: Choice): ConcreteSpec | undefined =>
  candidates(graph, query, choice)[0];

/** A spec with what it is compared by, again and again. */
interface Ranked {
  readonly spec: ConcreteSpec;
  readonly recency: Recency;
  readonly depth: number;
  readonly ownSystem: boolean;
}

const rankedFor = (spec: ConcreteSpec, host: Host | undefined): Ranked => ({
  spec,
  recency: recencyOf(spec.version),
  depth: depthOf(spec.target),
  ownSystem: spec.os === host?.os,
});

/**
 * Negative where `a` is to be preferred: the newer version, then the target closest to the host, then the
 * host's own operating system. Last comes the hash, so that the order never depends on the order of input.
 */
const preference = (a: Ranked, b: Ranked): number =>
  compareRecencies(b.recency, a.recency) ||
  b.depth - a.depth ||
  Number(b.ownSystem) - Number(a.ownSystem) ||
  (a.spec.hash < b.spec.hash ? -1 : a.spec.hash > b.spec.hash ? 1 : 0);

/** As Spack's concretizer prefers: releases before prereleases, both before branches, git refs without a version last. */
export const compareRecency = (a: string, b: string): number => compareRecencies(recencyOf(a), recencyOf(b));

function compareRecencies(a: Recency, b: Recency): number {
  if (a.rank !== b.rank) return a.rank - b.rank;
  if (a.version.kind !== "unresolved" && b.version.kind !== "unresolved")
    return comparePlaces(a.version, b.version);
  return a.text < b.text ? -1 : a.text > b.text ? 1 : 0;
}
