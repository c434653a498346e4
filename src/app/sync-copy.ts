import type { Call } from "../base/call.js";
import { createLimiter, mapLimited } from "../base/limit.js";
import { readEntry } from "../buildcache/entry.js";
import type { Entry } from "../buildcache/source.js";
import { packageTag } from "../buildcache/tag.js";
import { assertInFiles, isUrlCache } from "../buildcache/url-cache.js";
import type { Mirror } from "../config/mirror.js";
import { directoriesOf } from "../image/entry-environment.js";
import { copy } from "../oci/copy.js";
import type { Repository } from "../oci/repository.js";
import type { PushPlan } from "../push/plan.js";
import { pushFiles } from "../push/push-files.js";
import { pushImages } from "../push/push-images.js";
import { nameOf, type PackagePush } from "../push/run.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { topologicalOrder } from "../spec/graph.js";
import type { Context } from "./context.js";
import { createMirrorPacker, type Placed } from "./mirror-packer.js";
import { gpgSigning } from "./push.js";
import type { Destination } from "./registries.js";
import type { WriteSigning } from "./signing.js";
import type { Found } from "./sync-wanted.js";

/** Dependencies before dependents. */
export function planOf(entries: ReadonlyMap<DagHash, Entry>): PushPlan {
  const nodes = new Map([...entries].map(([hash, { spec }]) => [hash, spec]));
  const known = (spec: ConcreteSpec): ConcreteSpec => ({
    ...spec,
    dependencies: spec.dependencies.filter(({ hash }) => nodes.has(hash)),
  });
  const graph: SpecGraph = {
    roots: [...nodes.keys()],
    nodes: new Map([...nodes].map(([hash, spec]) => [hash, known(spec)])),
    format: 5,
  };
  const packages = topologicalOrder(graph, { types: ["link", "run"] })
    .toReversed()
    .flatMap(({ hash }) => nodes.get(hash) ?? [])
    .map((spec) => ({ spec, prefix: "", tag: packageTag(spec), action: "push" as const }));
  return { packages, missing: [], excluded: [] };
}

interface Copying extends WriteSigning {
  readonly force?: boolean | undefined;
  readonly context: Context;
  readonly entries: ReadonlyMap<DagHash, Entry>;
  readonly found: ReadonlyMap<DagHash, Found>;
  /** Of the source, where it is one. */
  readonly repository: Repository | undefined;
  readonly to: Mirror;
  readonly jobs: number;
}

/** How one package is copied: as it is between mirrors of one kind, else by writing it anew round its tarball. */
export async function startOf(
  plan: PushPlan,
  destination: Destination,
  options: Copying,
): Promise<(call: Call) => PackagePush> {
  const { context, entries, found, repository, to, jobs, force } = options;
  const limit = createLimiter(jobs);
  if (destination.type === "images" && repository !== undefined)
    return (call) =>
      ({ spec, tag }, task) =>
        limit(async () => {
          call.report?.({ type: "started", task });
          const what = { ...call, reference: tag, tag, referrers: true };
          const { digest } = await copy(repository, destination.repository, what);
          call.report?.({ type: "finished", task, outcome: "copied" });
          const layer = entries.get(spec.hash)?.layer;
          return {
            ...nameOf(spec),
            tag,
            manifest: digest,
            layer: layer?.digest ?? digest,
            size: layer?.size ?? 0,
          };
        });

  const sources = new Set([...entries.keys()].map((hash) => found.get(hash)?.cache));
  const anew = [...sources].some((cache) => cache === undefined || !isUrlCache(cache));
  const sign = destination.type === "files" && anew ? await gpgSigning(to, options, context) : undefined;
  const placed = new Map<DagHash, Placed>();
  const graphOf = (hash: DagHash) => entries.get(hash)?.graph;
  const packing = {
    storeRoot: "",
    packer: await createMirrorPacker(entries, { cacheRoot: context.cacheRoot, placed }),
    graph: {
      roots: [],
      nodes: new Map([...entries.values()].flatMap(({ graph }) => [...graph.nodes])),
      format: 5,
    },
    graphOf,
    prefixOf: (hash: DagHash) => placed.get(hash)?.prefix,
    jobs,
    force,
  };
  if (destination.type === "images") {
    const call: Call = { signal: context.signal, report: context.report };
    await placeStored(placed, destination.repository, { entries, jobs, call });
    const hasDirectory = (prefix: string, directory: string): boolean =>
      [...placed.values()].some(
        (one) => one.prefix === prefix && one.directories.has(`${prefix}/${directory}`),
      );
    return (running) => pushImages(plan, destination.repository, { ...packing, ...running, hasDirectory });
  }
  return (running) => {
    const write = pushFiles(destination.cache, { ...packing, ...running, sign });
    return async (planned, task) => {
      const { spec, tag } = planned;
      const source = found.get(spec.hash);
      const layer = entries.get(spec.hash)?.layer;
      if (layer !== undefined) assertInFiles(layer, destination.cache.label);
      if (source === undefined || !isUrlCache(source.cache)) return await write(planned, task);
      const { cache, name } = source;
      return await limit(async () => {
        running.report?.({ type: "started", task });
        const { manifest, layer } = await destination.cache.copy(name, cache, { ...running, force });
        running.report?.({ type: "finished", task, outcome: "copied" });
        return { ...nameOf(spec), tag, manifest, layer: layer.digest, size: layer.size };
      });
    };
  };
}

/** Of what is in a repository already, and needed by what is to be copied: its image tells where it was made. */
async function placeStored(
  placed: Map<DagHash, Placed>,
  repository: Repository,
  { entries, jobs, call }: { entries: ReadonlyMap<DagHash, Entry>; jobs: number; call: Call },
): Promise<void> {
  const needed = new Map<DagHash, ConcreteSpec>();
  for (const { graph, spec } of entries.values())
    for (const node of topologicalOrder(graph, { roots: [spec.hash], types: ["link", "run"] }))
      if (!entries.has(node.hash) && node.external === undefined) needed.set(node.hash, node);
  await mapLimited(needed.values(), jobs * 2, async (spec) => {
    const entry = await readEntry(repository, packageTag(spec), call);
    const place = entry && directoriesOf(entry);
    if (place !== undefined) placed.set(spec.hash, place);
  });
}
