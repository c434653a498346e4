import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { openIndex } from "../buildcache/index-search.js";
import { type IndexResult, updateIndex as updateStoredIndex } from "../buildcache/index-update.js";
import { updateView } from "../buildcache/index-views.js";
import { publishKeys } from "../buildcache/published-keys.js";
import type { Mirror } from "../config/mirror.js";
import { systemClock, systemRandom } from "../io/system/clock.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { createMatcher } from "../spec/matches.js";
import { parseSpecs } from "../spec/parse-spec.js";
import { renewIndex } from "../trust/signing-repository.js";
import { type Context, openContext, type StowageOptions } from "./context.js";
import { environmentGraph } from "./environment-roots.js";
import { openIndexCopies } from "./index-copies.js";
import { openRegistries } from "./registries.js";
import { openSigning, type SigningOptions } from "./signing.js";

export interface UpdateIndexOptions extends SigningOptions, StowageOptions {
  /** Sign the index; given by itself where a key is. */
  readonly sign?: boolean | undefined;
  /** Read every package again instead of trusting the index that is there. */
  readonly full?: boolean | undefined;
  /** Make the index of a mirror's keys say which it has, too. */
  readonly keys?: boolean | undefined;
  /** Write the index of a choice of packages instead. */
  readonly view?: ViewChoice | undefined;
}

/** What environments have, of what a mirror has. */
export interface ViewChoice {
  /** Its name, else the one that the mirror is configured with. */
  readonly name?: string | undefined;
  /** Names or folders; else the active one. */
  readonly environments?: readonly string[] | undefined;
  /** What happens to one that is there; without it that is refused. */
  readonly existing?: "append" | "replace" | undefined;
}

/** Makes the index of a mirror say what is in it. @throws Failure `mirror.*`, `oci.*` */
export async function updateIndex(
  mirrorName: string,
  options: UpdateIndexOptions = {},
): Promise<IndexResult> {
  const context = await openContext(options);
  const mirror = await context.mirror(mirrorName);
  const signing =
    (options.sign ?? options.key !== undefined) ? await openSigning(options, { context, mirror }) : undefined;
  await using registries = openRegistries(context);
  const run = {
    clock: systemClock,
    random: systemRandom,
    full: options.full,
    jobs: context.jobs,
    signal: context.signal,
    report: context.report,
  };
  const { cache, type } = await registries.destination(mirror, { signing });
  const { view } = options;
  if (view !== undefined && type !== "files")
    throw new Failure("unsupported", `mirror ${mirror.name} holds images, of which there are no views`, {
      code: "buildcache.view-unsupported",
      subject: mirror.name,
      hint: "Views are for mirrors of files. In a registry, give a choice of packages a repository of its own: `stowage buildcache sync`.",
    });
  const result =
    view === undefined
      ? await updateStoredIndex(cache, run)
      : await updateView(await registries.files(mirror, "push"), viewName(view, mirror), {
          ...run,
          hashes: await hashesOf(view, context),
          existing: view.existing,
        });
  if (options.keys && type === "files")
    await publishKeys(await registries.files(mirror, "push"), new Map(), {
      updateIndex: true,
      signal: context.signal,
    });
  if (!result.written && result.digest !== undefined && signing !== undefined)
    await renewIndex(await registries.repository(mirror, "push", { checked: false }), result.digest, {
      ...signing,
      signal: context.signal,
      report: context.report,
    });
  return result;
}

function viewName({ name }: ViewChoice, mirror: Mirror): string {
  const found = name ?? mirror.push?.view;
  if (found !== undefined) return found;
  throw new Failure("usage", "which view is not said", {
    code: "buildcache.view-unnamed",
    subject: mirror.name,
    hint: "Give --name VIEW, or configure it: `stowage mirror set --name VIEW MIRROR`.",
  });
}

async function hashesOf({ environments = [] }: ViewChoice, context: Context): Promise<ReadonlySet<DagHash>> {
  const named = environments.length > 0 ? environments : [context.environment ?? []].flat();
  if (named.length === 0)
    throw new Failure("usage", "which packages are meant is not said", {
      code: "buildcache.view-empty",
      hint: "Name environments after the mirror, or one by --env.",
    });
  const graphs = await Promise.all(named.map((environment) => environmentGraph(environment, context)));
  return new Set(graphs.flatMap(({ nodes }) => [...nodes.keys()]));
}

export interface ListOptions extends StowageOptions {
  /** Only this mirror, instead of all that packages are fetched from. */
  readonly mirror?: string | undefined;
  /** Specs of which one must match. */
  readonly specs?: readonly string[] | undefined;
}

export interface ListedPackage {
  readonly spec: ConcreteSpec;
  /** Mirrors that have it, first the one it would be fetched from. */
  readonly mirrors: readonly string[];
}

export interface ListResult {
  readonly packages: readonly ListedPackage[];
  /** All that the indices know, to tell dependencies and compilers. */
  readonly graph: SpecGraph;
}

/**
 * The packages of one mirror, or of all, as their indices tell.
 * @throws Failure `buildcache.index-missing` where a mirror has no index, `spec.no-match` where nothing matches
 */
export async function list(options: ListOptions = {}): Promise<ListResult> {
  const context = await openContext(options);
  const mirrors =
    options.mirror === undefined
      ? (await context.mirrors()).filter((mirror) => mirror.binary)
      : [await context.mirror(options.mirror)];
  if (mirrors.length === 0)
    throw new Failure("not-found", "no mirror is configured", {
      code: "mirror.none",
      hint: "Run `stowage mirror add NAME URL`, or name a URL.",
    });
  await using registries = openRegistries(context);
  const call: Call = { signal: context.signal, report: context.report };
  const copies = openIndexCopies(context);
  const queries = options.specs?.flatMap(parseSpecs) ?? [];
  const nodes = new Map<DagHash, ConcreteSpec>();
  const found = new Map<DagHash, { spec: ConcreteSpec; mirrors: string[] }>();
  for (const mirror of mirrors) {
    for (const cache of await registries.caches(mirror)) {
      const { graph, present } = await openIndex(cache, { ...call, copies });
      const matches = createMatcher(graph);
      for (const [hash, spec] of graph.nodes) {
        nodes.set(hash, spec);
        if (!present.has(hash)) continue;
        if (queries.length > 0 && !queries.some((query) => matches(spec, query))) continue;
        const known = found.get(hash);
        if (known === undefined) found.set(hash, { spec, mirrors: [mirror.name] });
        else if (known.mirrors.at(-1) !== mirror.name) known.mirrors.push(mirror.name);
      }
    }
  }
  if (found.size === 0 && queries.length > 0)
    throw new Failure("not-found", `no package in ${mirrors.map(({ name }) => name).join(", ")} matches`, {
      code: "spec.no-match",
      subject: options.specs?.join(" "),
      hint: "`stowage buildcache list` without a spec shows what there is.",
    });
  return { packages: [...found.values()], graph: { roots: [...found.keys()], nodes, format: 5 } };
}
