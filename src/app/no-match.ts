import { Failure } from "../base/failure.js";
import type { Choice } from "../spec/choose.js";
import type { SpecGraph } from "../spec/concrete-spec.js";
import { type Difference, explain, type NearMiss } from "../spec/explain.js";
import { formatShort } from "../spec/format-concrete.js";
import { parseSpec } from "../spec/parse-spec.js";

/** How many near misses a message names. */
const shown = 3;

/** What was asked, and of whom: specs of a store or of mirrors' indices. */
export interface Asked {
  readonly graphs: readonly (Choice & { readonly graph: SpecGraph })[];
  /** For the message: `/opt/store`, or names of mirrors. */
  readonly where: string;
  /** What to do where there is nothing near. */
  readonly hint: string;
}

/** The failure for a spec that nothing matches, with what comes nearest. */
export function noMatch(text: string, { graphs, where, hint }: Asked): Failure {
  const query = parseSpec(text);
  const found = graphs.map(({ graph, ...choice }) => explain(graph, query, { ...choice, limit: shown }));
  const nearest = found
    .flatMap((one) => one.nearest)
    // Of hashes none is nearer than others.
    .filter(
      ({ differences }) => query.name !== undefined || differences.every(({ about }) => about !== "hash"),
    )
    .slice(0, shown);
  const names = [...new Set(found.flatMap(({ similarNames }) => similarNames))].slice(0, shown);
  return new Failure("not-found", `no package in ${where} matches ${text}`, {
    code: "spec.no-match",
    subject: text,
    hint:
      nearest.length > 0
        ? `Nearest: ${nearest.map(formatNearMiss).join("; ")}.`
        : names.length > 0
          ? `Did you mean ${names.join(", ")}?`
          : hint,
  });
}

/** `zlib@1.2.13/7i7xbvp (~pic instead of +pic)`. */
export const formatNearMiss = ({ spec, differences }: NearMiss): string =>
  differences.length === 0
    ? formatShort(spec)
    : `${formatShort(spec)} (${differences.map(formatDifference).join(", ")})`;

export const formatDifference = ({ wanted, found }: Difference): string =>
  found === undefined ? `no ${wanted}` : `${found} instead of ${wanted}`;
