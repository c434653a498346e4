import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { createLimiter, mapLimited } from "../base/limit.js";
import type { BuildCache } from "../buildcache/build-cache.js";
import { readEntry } from "../buildcache/entry.js";
import { type IndexResult, updateIndex } from "../buildcache/index-update.js";
import type { Entry } from "../buildcache/source.js";
import { packageTag } from "../buildcache/tag.js";
import { assertInFiles, isUrlCache } from "../buildcache/url-cache.js";
import type { Mirror } from "../config/mirror.js";
import { directoriesOf } from "../image/entry-environment.js";
import { systemClock, systemRandom } from "../io/system/clock.js";
import { copy } from "../oci/copy.js";
import type { Repository } from "../oci/repository.js";
import type { PushPlan } from "../push/plan.js";
import { pushFiles } from "../push/push-files.js";
import { pushImages } from "../push/push-images.js";
import { type FailedPackage, nameOf, type PackageName, type PackagePush, runPush } from "../push/run.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { topologicalOrder } from "../spec/graph.js";
import { type Context, openContext, type StowageOptions } from "./context.js";
import { lockedGraph } from "./environment-roots.js";
import { openIndexCopies } from "./index-copies.js";
import { createRootResolver } from "./install-roots.js";
import { gpgSigning } from "./push.js";
import { signingFor, type WriteSigning } from "./signing.js";
import { createMirrorPacker, type Placed } from "./mirror-packer.js";
import { type Destination, holdsImages, openRegistries, type Registries } from "./registries.js";

export interface SyncOptions extends WriteSigning, StowageOptions {
  /** Only these, with all that they need to run; else what the environment's lockfile holds, else all. */
  readonly specs?: readonly string[] | undefined;
  /** Tell what would be done. */
  readonly dryRun?: boolean | undefined;
  /** Copy again what is there. */
  readonly force?: boolean | undefined;
  readonly failFast?: boolean | undefined;
  /** Renew the index of the destination when done. */
  readonly updateIndex?: boolean | undefined;
}

export interface CopiedPackage extends PackageName {
  /** Bytes of its tarball. */
  readonly size: number;
  readonly layer: string;
}

export interface SyncResult {
  readonly from: string;
  readonly to: string;
  /** Of a dry run: what would be copied. */
  readonly copied: readonly CopiedPackage[];
  readonly present: readonly DagHash[];
  readonly failed: readonly FailedPackage[];
  /** Of the environment, what the source does not have. */
  readonly missing: readonly PackageName[];
  readonly bytes: number;
  readonly index: IndexResult | undefined;
}

interface Found {
  readonly cache: BuildCache;
  /** In that cache. */
  readonly name: string;
}

/**
 * Copies packages from one mirror to another, of whatever kinds: what is there already is not copied again, so that
 * a copy that was ended goes on when it is run again. Tarballs stay byte for byte what they are.
 * @throws Failure `mirror.*`, `spec.*` for what stops all of it; what fails of the packages is in the result
 */
export async function sync(source: string, target: string, options: SyncOptions = {}): Promise<SyncResult> {
  const context = await openContext(options);
  await using registries = openRegistries(context);
  return await copyPackages(await context.mirror(source), await context.mirror(target), {
    ...options,
    context,
    registries,
  });
}

/** The same, between mirrors that are known already. */
export async function copyPackages(
  from: Mirror,
  to: Mirror,
  options: SyncOptions & {
    readonly context: Context;
    readonly registries: Registries;
    /** Of the source those to take packages from; else all. */
    readonly only?: ((cache: BuildCache) => boolean) | undefined;
  },
): Promise<SyncResult> {
  const { context, registries, dryRun = false, force = false, failFast } = options;
  const call: Call = { signal: context.signal, report: context.report };
  const jobs = context.jobs ?? availableParallelism();
  const caches = (await registries.caches(from)).filter(options.only ?? (() => true));
  const signing = holdsImages(to) ? await signingFor(options, { mirror: to, context }) : undefined;
  const destination = await registries.destination(to, { signing });

  const found = new Map<DagHash, Found>();
  for (const cache of caches)
    for (const [hash, name] of await cache.packages(call))
      if (!found.has(hash)) found.set(hash, { cache, name });
  const { wanted, missing } = await wantedOf(found, { ...options, context, caches, call });
  const present = force ? new Set<DagHash>() : await presentOf(wanted, destination, { jobs, call });

  const entries = new Map<DagHash, Entry>();
  const failed: FailedPackage[] = [];
  const todo = wanted.filter((hash) => !present.has(hash));
  await mapLimited(todo, jobs * 2, async (hash) => {
    const one = found.get(hash);
    try {
      const entry = one && (await one.cache.read(one.name, call));
      if (entry !== undefined) entries.set(hash, entry);
    } catch (error) {
      if (!(error instanceof Failure) || error.kind === "interrupted") throw error;
      failed.push({ name: one?.name ?? "?", version: "?", hash, failure: error.toJSON() });
    }
  });
  const bytes = [...entries.values()].reduce((sum, { layer }) => sum + layer.size, 0);
  const about = { from: from.name, to: to.name, present: [...present], missing, bytes };
  const plan = planOf(entries);
  if (dryRun) {
    const copied = [...entries.values()].map(({ spec, layer }) => ({
      ...nameOf(spec),
      size: layer.size,
      layer: layer.digest,
    }));
    return { ...about, copied, failed, index: undefined };
  }

  const repository = await registries.imageSource(from);
  const start = await startOf(plan, destination, { ...options, entries, found, repository, to, jobs });
  const result = await runPush(plan, start, { ...call, failFast });
  const index = options.updateIndex
    ? await updateIndex(destination.cache, { ...call, clock: systemClock, random: systemRandom })
    : undefined;
  const copied = result.pushed.map(({ name, version, hash, size, layer }) => ({
    name,
    version,
    hash,
    size,
    layer,
  }));
  return {
    ...about,
    copied,
    bytes: copied.reduce((sum, { size }) => sum + size, 0),
    failed: [...failed, ...result.failed],
    index,
  };
}

/** What is to be copied, and what of it the source does not have. @throws Failure `spec.*` */
async function wantedOf(
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
async function presentOf(
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

/** Dependencies before dependents. */
function planOf(entries: ReadonlyMap<DagHash, Entry>): PushPlan {
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

interface Copying extends SyncOptions {
  readonly context: Context;
  readonly entries: ReadonlyMap<DagHash, Entry>;
  readonly found: ReadonlyMap<DagHash, Found>;
  /** Of the source, where it is one. */
  readonly repository: Repository | undefined;
  readonly to: Mirror;
  readonly jobs: number;
}

/** How one package is copied: as it is between mirrors of one kind, else by writing it anew round its tarball. */
async function startOf(
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
