/** One line of a vectors file. */
export type Line = Readonly<Record<string, unknown>>;

/** What we say to a line: a value for each of its fields that are no question. */
export type Answer = Readonly<Record<string, unknown>>;

/** A kind of vectors: what tells its lines from others, and how they are answered. */
export interface VectorKind {
  readonly name: string;
  accepts(line: Line): boolean;
  /** The fields that ask; every other field must be in the answer, and equal. */
  readonly questions: readonly string[];
  /**
   * Starts on one file; `specs` are the paths given by --specs. The function that it gives answers line by
   * line; undefined for a line that asks nothing.
   */
  open(context: {
    specs: readonly string[];
  }): (line: Line) => Answer | undefined | Promise<Answer | undefined>;
  readonly departures?: readonly Departure[] | undefined;
  readonly rules?: readonly DepartureRule[] | undefined;
}

/** A line to which we answer otherwise than Spack, on purpose. It passes with that answer only. */
export interface Departure {
  /** The fields that ask, with `op`. */
  readonly line: Line;
  readonly answer: Answer;
  readonly reason: string;
}

/** Lines of a class to which we answer otherwise than Spack, as a standard demands. */
export interface DepartureRule {
  readonly reason: string;
  /** What a line of the class must be answered, from what Spack answered; undefined for other lines. */
  answer(line: Line, spack: Answer): Answer | undefined;
}

/** A field of a line that must be text. */
export function textField(line: Line, field: string): string {
  const value = line[field];
  if (typeof value !== "string") throw new Error(`${JSON.stringify(line)}: no text in "${field}"`);
  return value;
}
