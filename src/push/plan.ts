import { packageTag } from "../buildcache/tag.js";
import type { Tag } from "../oci/reference.js";
import type { ConcreteSpec, DependencyType, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { nodeOf, topologicalOrder } from "../spec/graph.js";
import type { Database } from "../store/database.js";

/** Which packages of the roots' closure are pushed (`--only`). */
export type Selection = "package" | "dependencies" | "both";

export interface PushPlanOptions {
  readonly only?: Selection | undefined;
  /** Push what was needed to build, too. */
  readonly withBuildDependencies?: boolean | undefined;
  /** What the mirror has. */
  readonly present: ReadonlySet<DagHash>;
  /** Push again what the mirror has. */
  readonly force?: boolean | undefined;
  /** Why a package is not pushed, where it is not; by default all are. */
  readonly exclusionOf?: ((spec: ConcreteSpec, prefix: string) => Exclusion | undefined) | undefined;
}

/** The mirror's `include_binary` and `exclude_binary`, or a recipe that forbids to redistribute what it builds. */
export type Exclusion = "filter" | "redistribution";

export interface PlannedPackage {
  readonly spec: ConcreteSpec;
  /** Absolute path of its prefix in the store. */
  readonly prefix: string;
  readonly tag: Tag;
  readonly action: "push" | "present";
}

/** What a push is going to do. */
export interface PushPlan {
  /** Dependencies before dependents. */
  readonly packages: readonly PlannedPackage[];
  /** Packages of the closure that are not installed here, so cannot be pushed. */
  readonly missing: readonly ConcreteSpec[];
  /** Packages of the closure that are not for this mirror. */
  readonly excluded: readonly { readonly spec: ConcreteSpec; readonly reason: Exclusion }[];
}

/** The database as a graph of specs. */
export const graphOfDatabase = (database: Database, roots: readonly DagHash[]): SpecGraph => ({
  roots,
  nodes: new Map([...database.records].map(([hash, { spec }]) => [hash, spec])),
  format: database.version === "8" ? 5 : 4,
});

/** Decides what is pushed for `roots`; nothing is read but the database and what the mirror has. */
export function planPush(database: Database, roots: readonly DagHash[], options: PushPlanOptions): PushPlan {
  const { only = "both", withBuildDependencies = false, present, force = false, exclusionOf } = options;
  const graph = graphOfDatabase(database, roots);
  const types: DependencyType[] = withBuildDependencies ? ["build", "link", "run"] : ["link", "run"];
  const chosen =
    only === "package"
      ? roots.map((hash) => nodeOf(graph, hash))
      : [...topologicalOrder(graph, { types })].reverse();
  const packages: PlannedPackage[] = [];
  const missing: ConcreteSpec[] = [];
  const excluded: PushPlan["excluded"][number][] = [];
  for (const spec of chosen) {
    if (spec.external !== undefined || (only === "dependencies" && roots.includes(spec.hash))) continue;
    const record = database.records.get(spec.hash);
    if (record?.path === undefined || !record.installed) {
      missing.push(spec);
      continue;
    }
    const reason = exclusionOf?.(spec, record.path);
    if (reason !== undefined) {
      excluded.push({ spec, reason });
      continue;
    }
    packages.push({
      spec,
      prefix: record.path,
      tag: packageTag(spec),
      action: present.has(spec.hash) && !force ? "present" : "push",
    });
  }
  return { packages, missing, excluded };
}
