import { Failure } from "../base/failure.js";
import type { EntryRequest } from "../buildcache/source.js";
import type { Connection } from "../config/mirror.js";
import type { Exclusion } from "../push/plan.js";
import type { RecipeFacts } from "../push/recipe.js";
import type { AbstractSpec } from "../spec/abstract-spec.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { createMatcher } from "../spec/matches.js";
import { parseSpec } from "../spec/parse-spec.js";
import type { Database } from "../store/database.js";
import type { Context } from "./context.js";
import { environmentRoots } from "./environment-roots.js";
import { selectInstalled } from "./installed.js";

export interface PushRequest {
  readonly specs?: readonly string[] | undefined;
  readonly groups?: readonly string[] | undefined;
  /** Root of the store. */
  readonly root: string;
}

export interface PushRoots {
  readonly roots: readonly DagHash[];
  /** Roots of the environment that this store has never heard of. */
  readonly unknown: readonly EntryRequest[];
}

/**
 * What is to be pushed: the specs that are named; without any, the roots of the active environment; without one,
 * all that were asked for when they were installed.
 * @throws Failure `spec.no-match`, `spec.ambiguous`, `push.group-without-environment`
 */
export async function pushRoots(
  context: Context,
  database: Database,
  { specs = [], groups, root }: PushRequest,
): Promise<PushRoots> {
  const { environment } = context;
  if (groups !== undefined && (environment === undefined || specs.length > 0))
    throw new Failure("usage", "a group is a part of an environment's roots", {
      code: "push.group-without-environment",
      subject: groups.join(", "),
      hint: "Name the environment with --env DIR, and no specs.",
    });
  if (specs.length > 0) return { roots: selectInstalled(database, specs, { root }), unknown: [] };
  if (environment === undefined) {
    const asked = [...database.records].filter(([, { installed, explicit }]) => installed && explicit);
    return { roots: asked.map(([hash]) => hash), unknown: [] };
  }
  const asked = await environmentRoots(context, environment, groups);
  const known = asked.locked.filter(({ hash }) => database.records.has(hash)).map(({ hash }) => hash);
  const named = asked.specs.length === 0 ? [] : selectInstalled(database, asked.specs, { root });
  const roots = [...new Set([...known, ...named])];
  if (asked.locked.length === 0 && asked.specs.length === 0)
    throw new Failure("not-found", `${environment} asks for nothing${inGroups(groups)}`, {
      code: "push.nothing-asked",
      subject: environment,
      hint: "Add specs to its spack.yaml, or name what to push.",
    });
  return { roots, unknown: asked.locked.filter(({ hash }) => !database.records.has(hash)) };
}

const inGroups = (groups: readonly string[] | undefined): string =>
  groups === undefined ? "" : ` in ${groups.length > 1 ? "groups" : "group"} ${groups.join(", ")}`;

export interface ExclusionOptions {
  /** The mirror's `include_binary` and `exclude_binary`, of which the latter wins. */
  readonly filter: Pick<Connection, "include" | "exclude">;
  readonly graph: SpecGraph;
  /** What the recipe of a package tells; without it all may be redistributed. */
  readonly recipe?: ((prefix: string, name: string) => RecipeFacts) | undefined;
}

/** Decides what is not for a mirror. */
export function exclusions({
  filter: { include, exclude },
  graph,
  recipe,
}: ExclusionOptions): (spec: ConcreteSpec, prefix: string) => Exclusion | undefined {
  const matches = createMatcher(graph);
  const [wanted, unwanted] = [include, exclude].map((texts) => texts.map((text) => parseSpec(text)));
  const isAny = (spec: ConcreteSpec, queries: readonly AbstractSpec[] = []): boolean =>
    queries.some((query) => matches(spec, query));
  return (spec, prefix) => {
    if (include.length > 0 && !isAny(spec, wanted)) return "filter";
    if (isAny(spec, unwanted)) return "filter";
    const forbidden = recipe?.(prefix, spec.name).unredistributable ?? [];
    return forbidden.some((when) => when === "" || matches(spec, parseSpec(when)))
      ? "redistribution"
      : undefined;
  };
}
