import { join } from "node:path";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import type { BuildCache } from "../buildcache/build-cache.js";
import { nameOf, type PackageName } from "../push/run.js";
import type { SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { topologicalOrder } from "../spec/graph.js";
import type { Context } from "./context.js";
import { lockedGraph } from "./environment-roots.js";
import { openIndexCopies } from "./index-copies.js";
import { createRootResolver } from "./install-roots.js";
import type { Destination } from "./registries.js";

/** A package of the source. */
export interface Found {
  readonly cache: BuildCache;
  /** In that cache. */
  readonly name: string;
}

/** What is to be copied, and what of it the source does not have. @throws Failure `spec.*` */
export async function wantedOf(
  found: ReadonlyMap<DagHash, Found>,
  {
    specs = [],
    context,
    caches,
    call,
  }: { specs?: readonly string[] | undefined; context: Context; caches: readonly BuildCache[]; call: Call },
): Promise<{ wanted: readonly DagHash[]; missing: readonly PackageName[] }> {
  const graphs: SpecGraph[] = [];
  if (specs.length > 0) {
    const resolver = createRootResolver(caches, {
      ...call,
      host: undefined,
      copies: openIndexCopies(context),
    });
    for (const text of specs) {
      const { hash } = await resolver.resolve(text);
      const one = found.get(hash);
      const entry = one && (await one.cache.read(one.name, call));
      if (entry === undefined)
        throw new Failure("not-found", `no package in ${caches[0]?.label} has the hash ${hash}`, {
          code: "spec.no-match",
          subject: text,
          hint: "`stowage buildcache list -l` shows the hashes there are.",
        });
      const needed = topologicalOrder(entry.graph, { roots: [hash], types: ["link", "run"] });
      graphs.push({ ...entry.graph, nodes: new Map(needed.map((spec) => [spec.hash, spec])) });
    }
  } else {
    const { environment } = context;
    const locked = environment === undefined ? undefined : await lockedGraph(join(environment, "spack.lock"));
    if (locked === undefined) return { wanted: [...found.keys()], missing: [] };
    graphs.push(locked);
  }
  const nodes = new Map(graphs.flatMap((graph) => [...graph.nodes]));
  const own = [...nodes.values()].filter(({ external }) => external === undefined);
  return {
    wanted: own.map(({ hash }) => hash).filter((hash) => found.has(hash)),
    missing: own.filter(({ hash }) => !found.has(hash)).map(nameOf),
  };
}

/** What the destination has, whole. */
export async function presentOf(
  wanted: readonly DagHash[],
  destination: Destination,
  { jobs, call }: { jobs: number; call: Call },
): Promise<ReadonlySet<DagHash>> {
  const there = await destination.cache.packages(call);
  const known = wanted.filter((hash) => there.has(hash));
  if (destination.type === "images") return new Set(known);
  const whole = await mapLimited(known, jobs * 4, async (hash) =>
    (await destination.cache.holds(there.get(hash) ?? "", call)) ? hash : undefined,
  );
  return new Set(whole.filter((hash) => hash !== undefined));
}
