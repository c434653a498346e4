import { Failure, type FailureDocument } from "../base/failure.js";

export interface FailedPart {
  /** What failed of the work, the first to be told. */
  readonly failures: readonly FailureDocument[];
  /** Whether anything that was asked for was done. */
  readonly done: boolean;
  readonly message: string;
  readonly code: string;
  readonly subject: string;
  /** Where the first failure has none of its own. */
  readonly hint?: string | undefined;
}

/**
 * The failure of part of the work: `partial` where the rest was done or each failed for another reason, else of the
 * kind that all have.
 */
export function failedPart({ failures, done, message, code, subject, hint }: FailedPart): Failure {
  // What only waited for another is of no kind of its own.
  const kinds = new Set(failures.map(({ kind }) => kind).filter((kind) => kind !== "partial"));
  const [only, ...others] = kinds;
  const kind = done || only === undefined || others.length > 0 ? "partial" : only;
  return new Failure(kind, message, { code, subject, hint: failures[0]?.hint ?? hint });
}
