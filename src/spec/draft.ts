import { anyVersions, intersection, intersects, type VersionList } from "../version/version-list.js";
import { type AbstractEdge, type AbstractSpec, formatSpec } from "./abstract-spec.js";
import { type Architecture, architecturesIntersect, mergedArchitecture } from "./architecture.js";
import type { DependencyType } from "./concrete-spec.js";
import { typeRank } from "./dependency-types.js";
import type { Flag } from "./flags.js";
import { mergedVariant, type Variant, variantsIntersect } from "./variant.js";

/** A spec while it is read. What is looked up at each word is kept in maps: a text may hold thousands. */
export interface Draft {
  name: string | undefined;
  namespace: string | undefined;
  versions: VersionList;
  readonly variants: Map<string, Variant>;
  readonly flags: Map<string, Flag[]>;
  architecture: Architecture | undefined;
  hash: string | undefined;
  dependencies: Dependencies | undefined;
}

interface Dependencies {
  /** In the order of the first mention of each name. */
  readonly byName: Map<string | undefined, DraftEdge[]>;
  /** By name, condition and types. */
  readonly twins: Map<string, DraftEdge>;
  /** Types taken by those of a name under a condition, as `typeRank` counts them. */
  readonly taken: Map<string, number>;
}

export interface DraftEdge {
  readonly spec: Draft;
  readonly types: readonly DependencyType[];
  readonly virtuals: Set<string>;
  readonly direct: boolean;
  readonly propagate: boolean;
  readonly when: AbstractSpec | undefined;
}

export const createDraft = (): Draft => ({
  name: undefined,
  namespace: undefined,
  versions: anyVersions,
  variants: new Map(),
  flags: new Map(),
  architecture: undefined,
  hash: undefined,
  dependencies: undefined,
});

export function finished(draft: Draft): AbstractSpec {
  const { name, namespace, versions, variants, flags, architecture, hash } = draft;
  const dependencies = [...(draft.dependencies?.byName.values() ?? [])].flatMap((edges) =>
    edges.map(finishedEdge).sort((a, b) => typeRank(a.types) - typeRank(b.types)),
  );
  return { name, namespace, versions, variants, flags, architecture, hash, dependencies };
}

const finishedEdge = ({ spec, virtuals, ...edge }: DraftEdge): AbstractEdge => ({
  ...edge,
  spec: finished(spec),
  virtuals: [...virtuals].sort(),
});

const runtime = typeRank(["link", "run"]);

/**
 * Adds a dependency, or its demands to one of the same name, condition and types.
 * @returns why it cannot be, where it is so
 */
export function addEdge(owner: Draft, edge: DraftEdge): string | undefined {
  const { spec, when } = edge;
  owner.dependencies ??= { byName: new Map(), twins: new Map(), taken: new Map() };
  const { byName, twins, taken } = owner.dependencies;
  const rank = typeRank(edge.types);
  const place = `${spec.name ?? ""} ${when === undefined ? "" : formatSpec(when)}`;
  const twin = spec.name === undefined ? undefined : twins.get(`${place} ${rank}`);
  if (twin !== undefined) {
    const conflict = constrain(twin.spec, spec);
    for (const virtual of edge.virtuals) twin.virtuals.add(virtual);
    return conflict === undefined ? undefined : `${spec.name} cannot be both: ${conflict}`;
  }
  const used = taken.get(place) ?? 0;
  // Link and run time are one process, build time another: a package may be there once in each.
  if ((used & rank) !== 0 || ((used & runtime) !== 0 && (rank & runtime) !== 0))
    return `${spec.name ?? "a package"} is there twice, with dependency types that exclude each other`;
  const namesakes = byName.get(spec.name) ?? [];
  // Spack forgets that a second edge to a package is propagated.
  const added = namesakes.length > 0 && spec.name !== undefined ? { ...edge, propagate: false } : edge;
  namesakes.push(added);
  byName.set(spec.name, namesakes);
  twins.set(`${place} ${rank}`, added);
  taken.set(place, used | rank);
  return undefined;
}

/**
 * Narrows a spec to what another demands of the same package; dependencies are left as they are.
 * @returns why no package can be both, where it is so
 */
function constrain(
  draft: Draft,
  { hash, namespace, versions, variants, flags, architecture }: Draft,
): string | undefined {
  if (
    hash !== undefined &&
    draft.hash !== undefined &&
    !hash.startsWith(draft.hash) &&
    !draft.hash.startsWith(hash)
  )
    return "its hash cannot begin in two ways";
  if (namespace !== undefined && draft.namespace !== undefined && namespace !== draft.namespace)
    return "it cannot be in two namespaces";
  if (!intersects(draft.versions, versions)) return "no version is in both ranges";
  for (const [name, variant] of variants) {
    const present = draft.variants.get(name);
    if (present !== undefined && !variantsIntersect(present, variant)) return `no value of ${name} is both`;
  }
  if (draft.architecture !== undefined && architecture !== undefined) {
    if (
      !architecturesIntersect(draft.architecture, architecture) ||
      !architecturesIntersect(architecture, draft.architecture)
    )
      return "it cannot have two architectures";
    draft.architecture = mergedArchitecture(draft.architecture, architecture);
  } else draft.architecture ??= architecture;
  if (hash !== undefined && hash.length > (draft.hash?.length ?? 0)) draft.hash = hash;
  draft.namespace ??= namespace;
  draft.versions = intersection(draft.versions, versions);
  for (const [name, variant] of variants) {
    const present = draft.variants.get(name);
    draft.variants.set(name, present === undefined ? variant : mergedVariant(present, variant));
  }
  for (const [key, added] of flags) draft.flags.set(key, mergedFlags(draft.flags.get(key) ?? [], added));
  return undefined;
}

function mergedFlags(present: readonly Flag[], added: readonly Flag[]): Flag[] {
  const merged = new Map(present.map((flag) => [flag.text, flag]));
  const kept = present.map((flag) =>
    added.some(({ text, propagate }) => text === flag.text && !propagate)
      ? { ...flag, propagate: false }
      : flag,
  );
  return [...kept, ...added.filter(({ text }) => !merged.has(text))];
}
