import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import type { Answer, Line, VectorKind } from "./kind.js";

/** A line that did not pass, or passed as a departure. */
export interface Finding {
  readonly line: Line;
  readonly expected: Answer;
  readonly found: unknown;
  /** Why it passed all the same. */
  readonly reason?: string | undefined;
}

export interface Outcome {
  readonly passed: number;
  readonly failures: readonly Finding[];
  readonly departures: readonly Finding[];
}

const pick = (line: Line, keep: (field: string) => boolean): Line =>
  Object.fromEntries(Object.entries(line).filter(([field]) => keep(field)));

/** Asks a vectors file, line by line. */
export async function checkFile(
  file: string,
  { kinds, specs }: { kinds: readonly VectorKind[]; specs: readonly string[] },
): Promise<Outcome> {
  let passed = 0;
  const failures: Finding[] = [];
  const departures: Finding[] = [];
  const opened = new Map<VectorKind, ReturnType<VectorKind["open"]>>();
  for (const text of readFileSync(file, "utf8").split("\n")) {
    if (text.trim() === "") continue;
    const line: Line = JSON.parse(text);
    const kind = kinds.find((candidate) => candidate.accepts(line));
    if (kind === undefined) {
      failures.push({ line, expected: {}, found: "no kind of vectors has such a line" });
      continue;
    }
    const answer = opened.get(kind) ?? kind.open({ specs });
    opened.set(kind, answer);
    const asks = (field: string) => field === "op" || kind.questions.includes(field);
    const expected = pick(line, (field) => !asks(field));
    let found: unknown;
    try {
      const given = await answer(line);
      if (given === undefined) continue;
      found = pick(given, (field) => field in expected);
    } catch (error) {
      found = String(error);
    }
    const reason = isDeepStrictEqual(found, expected)
      ? undefined
      : departing(kind, { line, asks, expected, found });
    if (reason !== undefined) departures.push({ line, expected, found, reason });
    if (reason !== undefined || isDeepStrictEqual(found, expected)) passed += 1;
    else failures.push({ line, expected, found });
  }
  return { passed, failures, departures };
}

/** Why an answer that is not Spack's passes: it is the one that a departure, or a rule of them, states. */
function departing(
  { departures = [], rules = [] }: VectorKind,
  {
    line,
    asks,
    expected,
    found,
  }: { line: Line; asks: (field: string) => boolean; expected: Answer; found: unknown },
): string | undefined {
  const question = pick(line, asks);
  const stated = departures.find((known) => isDeepStrictEqual(known.line, question));
  if (stated !== undefined) return isDeepStrictEqual(found, stated.answer) ? stated.reason : undefined;
  return rules.find((rule) => {
    const answer = rule.answer(line, expected);
    return (
      answer !== undefined &&
      isDeepStrictEqual(
        found,
        pick(answer, (field) => field in expected),
      )
    );
  })?.reason;
}
