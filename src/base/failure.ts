/**
 * What went wrong, as a class of failure. A script can tell them apart by exit code (`exitCodes`).
 *
 * - `partial`: some packages failed, others were done
 * - `usage`: the request itself is wrong (arguments, syntax, configuration)
 * - `not-found`: what was asked for is not there, and something that knows said so
 * - `denied`: credentials or permissions do not allow it
 * - `unavailable`: unreachable, overloaded, out of space: trying again later may help
 * - `corrupt`: bytes are not what they were promised to be, or are not verified
 * - `conflict`: something else is already there, or holds a lock
 * - `unsupported`: cannot be done here (platform, registry, format)
 * - `interrupted`: the user or a signal ended it
 */
export type FailureKind =
  | "partial"
  | "usage"
  | "not-found"
  | "denied"
  | "unavailable"
  | "corrupt"
  | "conflict"
  | "unsupported"
  | "interrupted";

/** Exit code of the command line for each kind of failure. */
export const exitCodes: Readonly<Record<FailureKind, number>> = {
  partial: 1,
  usage: 2,
  "not-found": 3,
  denied: 4,
  unavailable: 5,
  corrupt: 6,
  conflict: 7,
  unsupported: 8,
  interrupted: 130,
};

export interface FailureOptions {
  /** Stable, dotted, listed in docs/failures.md: `buildcache.index-missing`. */
  readonly code: string;
  /** One sentence with the next command to try. */
  readonly hint?: string | undefined;
  /** The file, URL or spec it is about. */
  readonly subject?: string | undefined;
  readonly cause?: unknown;
}

/** Something a user can meet and understand. Anything else that is thrown is a bug and keeps its stack. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly kind: FailureKind;
  readonly code: string;
  readonly hint: string | undefined;
  readonly subject: string | undefined;

  /** @param message what was being done, to what, and what was found; without a final full stop */
  constructor(kind: FailureKind, message: string, options: FailureOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.code = options.code;
    this.hint = options.hint;
    this.subject = options.subject;
  }

  /** The shape of a failure in `--json` documents. */
  toJSON(): FailureDocument {
    return {
      code: this.code,
      kind: this.kind,
      message: this.message,
      hint: this.hint,
      subject: this.subject,
    };
  }
}

export interface FailureDocument {
  readonly code: string;
  readonly kind: FailureKind;
  readonly message: string;
  readonly hint: string | undefined;
  readonly subject: string | undefined;
}

/** The failure for an operation whose signal was aborted. */
export function interrupted(cause?: unknown): Failure {
  return new Failure("interrupted", "interrupted", { code: "interrupted", cause });
}
