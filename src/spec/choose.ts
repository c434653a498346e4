import { comparePlaces } from "../version/order.js";
import type { AbstractSpec } from "./abstract-spec.js";
import type { ConcreteSpec, SpecGraph } from "./concrete-spec.js";
import { recencyOf } from "./concrete-version.js";
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
  const found: ConcreteSpec[] = [];
  for (const spec of among)
    if (matches(spec, query) && (host === undefined || runsHere(spec, host))) found.push(spec);
  return found.sort((a, b) => preference(a, b, host));
}

/** The best of the specs that a query asks for; undefined where there is none. */
export const best = (graph: SpecGraph, query: AbstractSpec, choice?: Choice): ConcreteSpec | undefined =>
  candidates(graph, query, choice)[0];

/**
 * Negative where `a` is to be preferred: the newer version, then the target closest to the host, then the
 * host's own operating system. Last comes the hash, so that the order never depends on the order of input.
 */
function preference(a: ConcreteSpec, b: ConcreteSpec, host: Host | undefined): number {
  return (
    compareRecency(b.version, a.version) ||
    depthOf(b.target) - depthOf(a.target) ||
    Number(b.os === host?.os) - Number(a.os === host?.os) ||
    (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0)
  );
}

/** As Spack's concretizer prefers: releases before prereleases, both before branches, git refs without a version last. */
export function compareRecency(a: string, b: string): number {
  const [x, y] = [recencyOf(a), recencyOf(b)];
  if (x.rank !== y.rank) return x.rank - y.rank;
  if (x.version.kind !== "unresolved" && y.version.kind !== "unresolved")
    return comparePlaces(x.version, y.version);
  return a < b ? -1 : a > b ? 1 : 0;
}
