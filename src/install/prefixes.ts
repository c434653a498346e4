import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import { closure, dependenciesOf, nodeOf } from "../spec/graph.js";
import type { Database } from "../store/database.js";
import { defaultProjection, type Layout, layoutOf, oldProjection, prefixOf } from "../store/layout.js";

/** Where a package of a closure is, or will be: the database knows, else the layout says. */
export function prefixIn(
  { records }: Database,
  { layout, spec, graph }: { layout: Layout; spec: ConcreteSpec; graph: SpecGraph },
): string | undefined {
  const known = records.get(spec.hash)?.path;
  return spec.external === undefined
    ? (known ?? prefixOf(layout, spec, graph))
    : (spec.external.path ?? known);
}

/** The prefixes of a store that files of one package name. Plain data: it travels to a worker thread. */
export interface Prefixes {
  readonly sbang: string;
  readonly root: string;
  /** By DAG hash: the package, and what it links to or runs. */
  readonly packages: ReadonlyMap<string, string>;
}

export const sbangPathOf = (layout: Layout): string => `${layout.unpaddedRoot}/bin/sbang`;

/**
 * The prefixes here of all that a package may refer to, by the hash that its archive knows it by.
 * A spliced package was built against others of the same names: those are what its files name.
 */
export function prefixesHere(
  graph: SpecGraph,
  { spec, database, layout }: { spec: ConcreteSpec; database: Database; layout: Layout },
): Prefixes {
  const built = spec.buildHash === undefined ? undefined : graph.nodes.get(spec.buildHash);
  const before = built === undefined ? [] : referredBy(graph, built);
  const packages = new Map<string, string>();
  for (const now of referredBy(graph, spec)) {
    const same = before.find(({ hash }) => hash === now.hash) ?? before.find(({ name }) => name === now.name);
    const prefix = prefixIn(database, { layout, spec: now, graph });
    if (prefix !== undefined) packages.set((same ?? now).hash, prefix);
  }
  return { sbang: sbangPathOf(layout), root: layout.root, packages };
}

/** The package, what it links to, and what it runs directly: the order of `hash_to_prefix`, externals left out. */
function referredBy(graph: SpecGraph, spec: ConcreteSpec): readonly ConcreteSpec[] {
  const linked = closure(graph, { roots: [spec.hash], types: ["link"] });
  const run = dependenciesOf(spec, ["run"]).map(({ hash }) => nodeOf(graph, hash));
  return [...new Set([...linked, ...run])].filter(({ external }) => external === undefined);
}

/** The paths below some root by one of Spack's own layouts. */
export interface Guess {
  readonly own: string;
  readonly packages: ReadonlyMap<string, string>;
}

/**
 * Where packages are in a store that follows one of Spack's own layouts. An archive says what it was made from in
 * its last entry (`binary_distribution`), but its first ones name its prefix: where a guess fits that, files can be
 * relocated as they come, and the last entry only confirms it.
 */
export function guessesOf(graph: SpecGraph, spec: ConcreteSpec): readonly Guess[] {
  const built = (spec.buildHash === undefined ? undefined : graph.nodes.get(spec.buildHash)) ?? spec;
  const referred = referredBy(graph, built);
  return [defaultProjection, oldProjection].flatMap((projection) => {
    // Only specs from before Spack 1.0 have a compiler of their own, and so a place in the old layout.
    if (projection === oldProjection && referred.some(({ compiler }) => compiler === undefined)) return [];
    const layout = layoutOf("", { projection });
    const packages = new Map(referred.map((other) => [other.hash as string, prefixOf(layout, other, graph)]));
    return [{ own: prefixOf(layout, built, graph), packages }];
  });
}

/** The prefixes of the store that an archive comes from, if its own prefix fits a guess. */
export function originOf(oldPrefix: string, guesses: readonly Guess[]): Prefixes | undefined {
  const guess = guesses.find(({ own }) => oldPrefix.endsWith(own));
  if (guess === undefined) return undefined;
  const layout = layoutOf(oldPrefix.slice(0, -guess.own.length));
  const packages = new Map([...guess.packages].map(([hash, below]) => [hash, layout.root + below]));
  return { sbang: sbangPathOf(layout), root: layout.root, packages };
}

/** Old prefixes and what takes their places, in the order in which they are tried: sbang, packages, the root. */
export function prefixPairs(origin: Prefixes, here: Prefixes): readonly (readonly [string, string])[] {
  const packages = [...origin.packages].flatMap(([hash, from]) => {
    const to = here.packages.get(hash);
    return to === undefined ? [] : [[from, to] as const];
  });
  return [[origin.sbang, here.sbang], ...packages, [origin.root, here.root]];
}

/** Whether two origins relocate alike, whatever the order they are told in. */
export function relocatesAlike(a: Prefixes, b: Prefixes, here: Prefixes): boolean {
  const text = (origin: Prefixes) => JSON.stringify(prefixPairs(origin, here).toSorted());
  return text(a) === text(b);
}
