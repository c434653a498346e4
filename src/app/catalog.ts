import { graphOfDatabase } from "../push/plan.js";
import { best } from "../spec/choose.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { nodeOf } from "../spec/graph.js";
import { parseSpec } from "../spec/parse-spec.js";
import { openContext, type StowageOptions } from "./context.js";
import { openIndexCopies } from "./index-copies.js";
import { readOffered } from "./install-roots.js";
import { openInstalled, selectInstalled } from "./installed.js";
import { noMatch } from "./no-match.js";
import { openRegistries } from "./registries.js";

export interface CatalogOptions extends StowageOptions {
  /** Look into the index of this mirror instead of the store. */
  readonly mirror?: string | undefined;
}

/** Packages that can be asked about: those of a store, or of a mirror. */
export interface Catalog {
  /** Root of the store, or the mirror's name. */
  readonly where: string;
  readonly graph: SpecGraph;
  /** The packages that are there; others of the graph are only known. */
  readonly among: readonly ConcreteSpec[];
  /** What someone asked for; in a mirror, what no other package there needs. */
  readonly asked: ReadonlySet<DagHash>;
  /**
   * The one package of a store that a spec names; of a mirror the best.
   * @throws Failure `spec.no-match`, `spec.ambiguous`
   */
  select(text: string): ConcreteSpec;
}

/** @throws Failure `store.missing`, `buildcache.index-missing` */
export async function openCatalog(options: CatalogOptions): Promise<Catalog> {
  const context = await openContext(options);
  if (options.mirror === undefined) {
    const { store, root } = await openInstalled(context);
    const database = await store.readDatabase(context);
    const graph = graphOfDatabase(database, []);
    const records = [...database.records.values()].filter(({ installed }) => installed);
    return {
      where: root,
      graph,
      among: records.map(({ spec }) => spec),
      asked: new Set(records.filter(({ explicit }) => explicit).map(({ spec }) => spec.hash)),
      select(text) {
        const [hash] = selectInstalled(database, [text], { root });
        if (hash === undefined) throw new Error(`nothing was selected for ${text}`);
        return nodeOf(graph, hash);
      },
    };
  }
  const mirror = await context.mirror(options.mirror);
  await using registries = openRegistries(context);
  const offered = await readOffered(await registries.caches(mirror), {
    signal: context.signal,
    report: context.report,
    copies: openIndexCopies(context),
  });
  const needed = new Set(offered.among.flatMap((spec) => spec.dependencies.map(({ hash }) => hash)));
  return {
    where: mirror.name,
    ...offered,
    asked: new Set(offered.among.map(({ hash }) => hash).filter((hash) => !needed.has(hash))),
    select(text) {
      const found = best(offered.graph, parseSpec(text), { among: offered.among });
      if (found !== undefined) return found;
      throw noMatch(text, {
        graphs: [offered],
        where: mirror.name,
        hint: "`stowage buildcache list` shows what there is.",
      });
    },
  };
}
