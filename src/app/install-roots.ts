import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import type { BuildCache } from "../buildcache/build-cache.js";
import { type IndexCopies, openIndex } from "../buildcache/index-search.js";
import type { EntryRequest } from "../buildcache/source.js";
import { best } from "../spec/choose.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import { type DagHash, isDagHash } from "../spec/dag-hash.js";
import type { Host } from "../spec/host.js";
import { packageStem } from "../buildcache/tag.js";
import { parseSpec } from "../spec/parse-spec.js";
import { noMatch } from "./no-match.js";

/** Chooses what to install for each thing that is asked for. */
export interface RootResolver {
  /**
   * A whole hash as it is, the package that a hash's first digits name by what the mirrors have, and for any other spec
   * the best for the host that the mirrors' indices tell of: of the first mirror that has one.
   * @throws Failure `spec.no-match`, `spec.ambiguous`, `buildcache.index-missing`
   */
  resolve(text: string): Promise<EntryRequest>;
}

export interface ResolverOptions extends Call {
  /** Leaves out what this machine does not run. */
  readonly host: Host | undefined;
  /** Leaves out others. */
  readonly fits?: ((spec: ConcreteSpec) => boolean) | undefined;
  /** Indices as they were the last time. */
  readonly copies: IndexCopies;
}

export interface Offered {
  readonly graph: SpecGraph;
  readonly among: readonly ConcreteSpec[];
}

export function createRootResolver(
  caches: readonly BuildCache[],
  { host, fits, copies, ...call }: ResolverOptions,
): RootResolver {
  const indices = new Map<BuildCache, Promise<Offered>>();
  const where = caches.map(({ label }) => label).join(", ");
  const offeredBy = (cache: BuildCache): Promise<Offered> => {
    const known = indices.get(cache) ?? readOffered([cache], { ...call, fits, copies });
    indices.set(cache, known);
    return known;
  };

  async function bestOf(text: string): Promise<EntryRequest> {
    const query = parseSpec(text);
    const seen: Offered[] = [];
    let failed: unknown;
    for (const cache of caches) {
      try {
        const offered = await offeredBy(cache);
        const found = best(offered.graph, query, { among: offered.among, host });
        if (found !== undefined) return found;
        seen.push(offered);
      } catch (error) {
        // A mirror without index is a failure only where no other has an answer.
        if (!(error instanceof Failure)) throw error;
        if (error.code !== "buildcache.index-missing") throw amongOthers(error, caches);
        failed ??= error;
      }
    }
    if (failed !== undefined) throw failed;
    const graphs = seen.map((offered) => ({ ...offered, host }));
    throw noMatch(text, { graphs, where, hint: "`stowage buildcache list` shows what there is." });
  }

  async function ofDigits(digits: string): Promise<EntryRequest> {
    const found = new Map<DagHash, string>();
    let failed: Failure | undefined;
    for (const cache of caches)
      try {
        for (const [hash, name] of await cache.packages(call))
          if (hash.startsWith(digits)) found.set(hash, name);
      } catch (error) {
        // A hash is the same package everywhere: who has it answers for who cannot be asked.
        if (!(error instanceof Failure) || error.kind !== "unavailable") throw error;
        failed ??= error;
      }
    const [only, ...others] = found.keys();
    if (only === undefined && failed !== undefined) throw amongOthers(failed, caches);
    if (only === undefined)
      throw new Failure("not-found", `no package in ${where} has a hash that begins with ${digits}`, {
        code: "spec.no-match",
        subject: `/${digits}`,
        hint: "`stowage buildcache list -l` shows the hashes there are.",
      });
    if (others.length === 0) return { hash: only };
    throw new Failure("usage", `/${digits} stands for ${found.size} packages`, {
      code: "spec.ambiguous",
      subject: `/${digits}`,
      hint: `Say which: ${[...found.values()].map(packageStem).join(", ")}.`,
    });
  }

  return {
    async resolve(text) {
      const digits = /^(?:\/|\S+-(?=[a-z2-7]{32}$))([a-z2-7]+)$/.exec(text)?.[1];
      if (digits === undefined) return await bestOf(text);
      return isDagHash(digits) ? { hash: digits } : await ofDigits(digits);
    },
  };
}

/**
 * Which package is the best is not known while one of several mirrors cannot be asked: that is said, and how to do
 * without it.
 */
const amongOthers = (failure: Failure, { length }: readonly BuildCache[]): Failure =>
  length < 2 || failure.kind !== "unavailable"
    ? failure
    : new Failure(failure.kind, failure.message, {
        code: failure.code,
        subject: failure.subject,
        hint: "It may have a better match than the other mirrors: try again, or use only one with --mirror NAME.",
        cause: failure,
      });

/**
 * What the indices of build caches offer together.
 * @throws Failure `buildcache.index-missing`
 */
export async function readOffered(
  caches: readonly BuildCache[],
  { fits = () => true, ...options }: Call & Pick<ResolverOptions, "fits" | "copies">,
): Promise<Offered> {
  const [first, ...others] = await mapLimited(caches, caches.length, (cache) => openIndex(cache, options));
  if (first === undefined) throw new Error("a mirror without a build cache");
  const nodes = new Map(first.graph.nodes);
  const present = new Set(first.present);
  for (const other of others) {
    for (const [hash, spec] of other.graph.nodes) if (!nodes.has(hash)) nodes.set(hash, spec);
    for (const hash of other.present) present.add(hash);
  }
  return {
    graph: { ...first.graph, nodes, roots: [...present] },
    among: [...nodes.values()].filter((spec) => present.has(spec.hash) && fits(spec)),
  };
}
