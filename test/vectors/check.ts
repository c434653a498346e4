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
    const departure = kind.departures?.find((known) => isDeepStrictEqual(known.line, pick(line, asks)));
    if (isDeepStrictEqual(found, expected)) passed += 1;
    else if (departure !== undefined && isDeepStrictEqual(found, departure.answer)) {
      passed += 1;
      departures.push({ line, expected, found, reason: departure.reason });
    } else failures.push({ line, expected, found });
  }
  return { passed, failures, departures };
}
