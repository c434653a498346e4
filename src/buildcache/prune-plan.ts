import { Failure } from "../base/failure.js";
import type { ConcreteSpec, DependencyType } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { dependenciesOf } from "../spec/graph.js";
import { compareVersions, parseVersion } from "../version/compare.js";

/** What stays, together with what it needs. A package stays if any rule says so; without rules all do. */
export interface KeepRules {
  /** These; some may not be in the build cache. */
  readonly roots?: ReadonlySet<DagHash> | undefined;
  /** So many packages of each name: those pushed last, and of those pushed at once the newest versions. */
  readonly last?: number | undefined;
  /** What was pushed since then, in milliseconds since 1970; and what does not say when it was pushed. */
  readonly since?: number | undefined;
  /** What packages were built with is needed, too. */
  readonly withBuildDependencies?: boolean | undefined;
}

/** A package with what a rule may ask about. */
export interface DatedPackage {
  readonly spec: ConcreteSpec;
  /** Milliseconds since 1970; undefined where nothing tells. */
  readonly pushedAt: number | undefined;
}

export interface PrunePlan {
  readonly keep: ReadonlySet<DagHash>;
  readonly remove: ReadonlySet<DagHash>;
  /** Kept for the one reason that nothing tells when they were pushed. */
  readonly undated: ReadonlySet<DagHash>;
}

export const hasRules = ({ roots, last, since }: KeepRules): boolean =>
  roots !== undefined || last !== undefined || since !== undefined;

export const nothingKept = (found: string): Failure =>
  new Failure("usage", found, {
    code: "buildcache.prune-nothing-kept",
    hint: "Check that the environment or list is one for this mirror. To empty a mirror, delete where it is.",
  });

/**
 * Decides which packages go.
 * @param pinned what stays whatever the rules say
 * @throws Failure `buildcache.prune-nothing-kept`
 */
export function planPrune(
  packages: ReadonlyMap<DagHash, DatedPackage>,
  rules: KeepRules,
  { nodes, pinned }: { nodes: ReadonlyMap<DagHash, ConcreteSpec>; pinned: Iterable<DagHash> },
): PrunePlan {
  const { roots, last, since } = rules;
  if (!hasRules(rules)) return { keep: new Set(packages.keys()), remove: new Set(), undated: new Set() };
  const undated = new Set(
    since === undefined
      ? []
      : [...packages].filter(([, one]) => one.pushedAt === undefined).map(([hash]) => hash),
  );
  const dated = [...packages].filter(
    ([, { pushedAt }]) => since !== undefined && pushedAt !== undefined && pushedAt >= since,
  );
  const chosen = [...(roots ?? []), ...lastOf(packages, last), ...dated.map(([hash]) => hash), ...undated];
  const keep = reached([...chosen, ...pinned], nodes, rules);
  const kept = new Set([...packages.keys()].filter((hash) => keep.has(hash)));
  if (kept.size === 0 && packages.size > 0)
    throw nothingKept(`these rules keep none of the ${packages.size} packages that are there`);
  return { keep: kept, remove: new Set([...packages.keys()].filter((hash) => !kept.has(hash))), undated };
}

function lastOf(packages: ReadonlyMap<DagHash, DatedPackage>, last: number | undefined): readonly DagHash[] {
  if (last === undefined) return [];
  const byName = new Map<string, DatedPackage[]>();
  for (const one of packages.values()) byName.set(one.spec.name, [...(byName.get(one.spec.name) ?? []), one]);
  return [...byName.values()].flatMap((same) =>
    same
      .sort((a, b) => (b.pushedAt ?? 0) - (a.pushedAt ?? 0) || newestFirst(a.spec, b.spec))
      .slice(0, last)
      .map(({ spec }) => spec.hash),
  );
}

const newestFirst = (a: ConcreteSpec, b: ConcreteSpec): number =>
  compareVersions(parseVersion(b.version), parseVersion(a.version)) || (a.hash < b.hash ? -1 : 1);

/** Packages and what they need to run, as far as it is known here. */
export function reached(
  roots: Iterable<DagHash>,
  nodes: ReadonlyMap<DagHash, ConcreteSpec>,
  { withBuildDependencies = false }: Pick<KeepRules, "withBuildDependencies"> = {},
): ReadonlySet<DagHash> {
  const types: DependencyType[] = withBuildDependencies ? ["build", "link", "run"] : ["link", "run"];
  const seen = new Set(roots);
  for (const hash of seen) {
    const spec = nodes.get(hash);
    if (spec !== undefined) for (const edge of dependenciesOf(spec, types)) seen.add(edge.hash);
  }
  return seen;
}

/**
 * The order in which packages go: in steps, what needs others before these, so that whatever is still there when it
 * is interrupted has all that it needs.
 */
export function removalSteps(
  remove: ReadonlySet<DagHash>,
  nodes: ReadonlyMap<DagHash, ConcreteSpec>,
): readonly (readonly DagHash[])[] {
  const needs = (hash: DagHash): readonly DagHash[] =>
    (nodes.get(hash)?.dependencies ?? []).map((edge) => edge.hash).filter((one) => remove.has(one));
  const dependents = new Map<DagHash, number>();
  for (const hash of remove)
    for (const one of new Set(needs(hash))) dependents.set(one, (dependents.get(one) ?? 0) + 1);
  const steps: DagHash[][] = [];
  let step = [...remove].filter((hash) => !dependents.has(hash));
  while (step.length > 0) {
    steps.push(step);
    const next: DagHash[] = [];
    for (const hash of step)
      for (const one of new Set(needs(hash))) {
        const left = (dependents.get(one) ?? 0) - 1;
        dependents.set(one, left);
        if (left === 0) next.push(one);
      }
    step = next;
  }
  return steps;
}
