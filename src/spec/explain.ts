import { type AbstractSpec, emptySpec, formatSpec } from "./abstract-spec.js";
import { type Choice, compareRecency, runsHere } from "./choose.js";
import type { ConcreteSpec, SpecGraph } from "./concrete-spec.js";
import { closure, nodeOf } from "./graph.js";
import { createMatcher, parameterOf } from "./matches.js";
import { formatVariant, recordedVariant } from "./variant.js";

/** One point in which a spec is not what was asked for. */
export interface Difference {
  /** `version`, `variant`, `target`, `dependency`, …; `host` where it cannot run here. */
  readonly about:
    | "hash"
    | "namespace"
    | "version"
    | "variant"
    | "flags"
    | "platform"
    | "os"
    | "target"
    | "dependency"
    | "host";
  /** `@1.4:`, `+mpi`, `^zlib@2:`. */
  readonly wanted: string;
  /** `@1.2`, `~mpi`; undefined where there is nothing of the kind. */
  readonly found: string | undefined;
}

export interface NearMiss {
  readonly spec: ConcreteSpec;
  readonly differences: readonly Difference[];
}

/** Why a query has no answer. */
export interface Explanation {
  /** Specs of the package, those with the fewest differences first. */
  readonly nearest: readonly NearMiss[];
  /** Where the package is not there at all: names that are like its name. */
  readonly similarNames: readonly string[];
}

interface Demand {
  readonly about: Difference["about"];
  readonly part: AbstractSpec;
  found(spec: ConcreteSpec): string | undefined;
}

/** Says why no spec of a graph is what a query asks for: the `limit` nearest ones, and what differs. */
export function explain(
  graph: SpecGraph,
  query: AbstractSpec,
  { among = graph.nodes.values(), host, limit = 3 }: Choice & { readonly limit?: number | undefined } = {},
): Explanation {
  const specs = [...among];
  const matches = createMatcher(graph);
  const named = specs.filter((spec) => matches(spec, { ...emptySpec, name: query.name }));
  const demands = [...demandsOf(query, graph)];
  const misses = named.map((spec) => {
    const unmet = demands.filter(({ part }) => !matches(spec, part));
    const differences: Difference[] = unmet.map(({ about, part, found }) => ({
      about,
      wanted: formatSpec(part),
      found: found(spec),
    }));
    if (host !== undefined && !runsHere(spec, host))
      differences.push({
        about: "host",
        wanted: `platform=${host.platform} target=:${host.target}`,
        found: `platform=${spec.platform} target=${spec.target}`,
      });
    return { spec, differences };
  });
  misses.sort(
    (a, b) =>
      a.differences.length - b.differences.length ||
      compareRecency(b.spec.version, a.spec.version) ||
      (a.spec.hash < b.spec.hash ? -1 : 1),
  );
  const names =
    named.length === 0 ? similarNames(query.name ?? "", new Set(specs.map(({ name }) => name))) : [];
  return { nearest: misses.slice(0, limit), similarNames: names };
}

/** A query cut into its single demands, and what a spec has in place of each. */
function* demandsOf(query: AbstractSpec, graph: SpecGraph): Generator<Demand> {
  const { hash, namespace, versions, architecture } = query;
  if (hash !== undefined)
    yield { about: "hash", part: { ...emptySpec, hash }, found: (spec) => `/${spec.hash.slice(0, 7)}` };
  if (namespace !== undefined)
    yield { about: "namespace", part: { ...emptySpec, namespace }, found: (spec) => spec.namespace };
  yield { about: "version", part: { ...emptySpec, versions }, found: (spec) => `@${spec.version}` };
  for (const [name, variant] of query.variants)
    yield {
      about: "variant",
      part: { ...emptySpec, variants: new Map([[name, variant]]) },
      found(spec) {
        const value = parameterOf(spec, name);
        return value === undefined ? undefined : formatVariant(recordedVariant(name, value));
      },
    };
  for (const [name, flags] of query.flags)
    yield {
      about: "flags",
      part: { ...emptySpec, flags: new Map([[name, flags]]) },
      found: (spec) => `${name}=${JSON.stringify(parameterOf(spec, name) ?? [])}`,
    };
  for (const key of ["platform", "os", "target"] as const) {
    if (architecture?.[key] === undefined) continue;
    const only = { platform: undefined, os: undefined, target: undefined, [key]: architecture[key] };
    yield { about: key, part: { ...emptySpec, architecture: only }, found: (spec) => `${key}=${spec[key]}` };
  }
  for (const edge of query.dependencies)
    yield {
      about: "dependency",
      part: { ...emptySpec, dependencies: [edge] },
      found: (spec) => dependencyFound(spec, edge.spec.name, graph),
    };
}

/** The package of that name, or that stands for it, nearest below a spec. */
function dependencyFound(root: ConcreteSpec, name: string | undefined, graph: SpecGraph): string | undefined {
  for (const spec of closure(graph, { roots: [root.hash] }))
    for (const edge of spec.dependencies)
      if (edge.name === name || (name !== undefined && edge.virtuals.includes(name))) {
        const { version } = nodeOf(graph, edge.hash);
        return `${spec === root ? "" : `${spec.name} `}${edge.direct ? "%" : "^"}${edge.name}@${version}`;
      }
  return undefined;
}

/** Names that begin or end alike, or that are one typing mistake apart; a few of them. */
function similarNames(name: string, all: ReadonlySet<string>): readonly string[] {
  const shown = 5;
  const alike = [...all].filter(
    (other) =>
      name.length > 1 && (other.includes(name) || name.includes(other) || isOneEditApart(name, other)),
  );
  return alike
    .sort((a, b) => Math.abs(a.length - name.length) - Math.abs(b.length - name.length) || (a < b ? -1 : 1))
    .slice(0, shown);
}

/** Whether a letter more, a letter less, another letter, or two that changed places make one of the other. */
function isOneEditApart(a: string, b: string): boolean {
  let start = 0;
  while (start < a.length && a[start] === b[start]) start += 1;
  const [restA, restB] = [a.slice(start), b.slice(start)];
  return (
    restA.slice(1) === restB ||
    restA === restB.slice(1) ||
    restA.slice(1) === restB.slice(1) ||
    (restA.slice(2) === restB.slice(2) && restA[0] === restB[1] && restA[1] === restB[0])
  );
}
