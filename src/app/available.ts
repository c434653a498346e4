import type { Call } from "../base/call.js";
import { mapLimited } from "../base/limit.js";
import type { EntryRequest, PackageSource } from "../buildcache/source.js";
import { createLookup } from "../install/plan.js";
import type { ConcreteSpec, DependencyType, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { dependenciesOf, nodeOf } from "../spec/graph.js";
import type { Database } from "../store/database.js";

export interface Available {
  /** What mirrors have, the first on each way from a root down. */
  readonly roots: readonly EntryRequest[];
  /** What the store has, the first on each way. */
  readonly present: readonly ConcreteSpec[];
  /** What would have to be built. */
  readonly missing: readonly EntryRequest[];
}

/** Requests to mirrors at once. */
const lookups = 16;

const runtime: readonly DependencyType[] = ["link", "run"];

/**
 * What of a lockfile can be had without building, as Spack's installer goes about it: of a package that a mirror has
 * what it needs to run, of one that must be built all that it needs.
 */
export async function availableOf(
  graph: SpecGraph,
  { sources, database }: { readonly sources: readonly PackageSource[]; readonly database: Database },
  call: Call,
): Promise<Available> {
  const roots: ConcreteSpec[] = [];
  const present: ConcreteSpec[] = [];
  const missing: ConcreteSpec[] = [];
  const seen = new Set<DagHash>();
  const lookup = createLookup(sources);
  // In waves, so that the mirrors are asked for many packages at once.
  for (let wave = graph.roots; wave.length > 0; ) {
    const specs = wave.filter((hash) => !seen.has(hash)).map((hash) => nodeOf(graph, hash));
    for (const { hash } of specs) seen.add(hash);
    const next = await mapLimited(specs, lookups, async (spec) => {
      if (spec.external !== undefined) return [];
      if (database.records.get(spec.hash)?.installed === true) {
        present.push(spec);
        return [];
      }
      const offered = (await lookup(spec, call)) !== undefined;
      (offered ? roots : missing).push(spec);
      return dependenciesOf(spec, offered ? runtime : undefined).map(({ hash }) => hash);
    });
    wave = [...new Set(next.flat())];
  }
  return { roots, present, missing };
}

/** Asks once for each package, however often it is asked. */
export function remembering(source: PackageSource): PackageSource {
  const answers = new Map<DagHash, ReturnType<PackageSource["resolve"]>>();
  return {
    label: source.label,
    resolve(request, call) {
      const answer = answers.get(request.hash) ?? source.resolve(request, call);
      answers.set(request.hash, answer);
      return answer;
    },
  };
}
