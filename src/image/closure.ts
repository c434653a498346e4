import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { type OciEntry, readEntry } from "../buildcache/entry.js";
import { packageTag } from "../buildcache/tag.js";
import type { Repository } from "../oci/repository.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { topologicalOrder } from "../spec/graph.js";

/** The packages whose layers an image of the roots has, dependencies first: Spack's order. */
export const layeredPackages = (graph: SpecGraph): readonly ConcreteSpec[] =>
  topologicalOrder(graph, { types: ["link", "run"] })
    .filter(({ external }) => external === undefined)
    .reverse();

/** Names of what a graph's roots need to run and that came from outside of Spack: it has no layers. */
export const externalsOf = (graph: SpecGraph): readonly string[] =>
  topologicalOrder(graph, { types: ["link", "run"] })
    .filter(({ external }) => external !== undefined)
    .map(({ name }) => name);

/** Reads packages of a build cache, each once. */
export type EntryReader = (spec: ConcreteSpec, call?: Call) => Promise<OciEntry | undefined>;

export function createEntryReader(repository: Repository): EntryReader {
  const known = new Map<DagHash, Promise<OciEntry | undefined>>();
  return (spec, call) => {
    const found = known.get(spec.hash) ?? readEntry(repository, packageTag(spec), call);
    known.set(spec.hash, found);
    return found;
  };
}

/** Packages of a build cache with all they need to run. */
export interface Closure {
  readonly roots: readonly DagHash[];
  readonly graph: SpecGraph;
  /** Dependencies first. */
  readonly entries: readonly OciEntry[];
}

/** Requests at once: each entry takes two small ones. */
const atOnce = 16;

/**
 * Reads what roots need to run.
 * @throws Failure `image.package-missing`
 */
export async function readClosure(
  repository: Repository,
  roots: readonly OciEntry[],
  { read, ...call }: Call & { readonly read: EntryReader },
): Promise<Closure> {
  const hashes = roots.map(({ spec }) => spec.hash);
  const graph: SpecGraph = {
    roots: hashes,
    nodes: new Map(roots.flatMap(({ graph: { nodes } }) => [...nodes])),
    format: 5,
  };
  const specs = layeredPackages(graph);
  const entries = await mapLimited(specs, atOnce, async (spec) => read(spec, call));
  const found = entries.filter((entry) => entry !== undefined);
  if (found.length < entries.length) {
    const missing = specs.filter((_, i) => entries[i] === undefined);
    throw new Failure(
      "not-found",
      `${repository.label} lacks packages of the image: ${missing.map(({ name, version, hash }) => `${name}@${version}/${hash.slice(0, 7)}`).join(", ")}`,
      {
        code: "image.package-missing",
        subject: repository.label,
        hint: "Push them with `stowage buildcache push`, which takes dependencies along.",
      },
    );
  }
  return { roots: hashes, graph, entries: found };
}
