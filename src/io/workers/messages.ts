import { Failure, type FailureDocument } from "../../base/failure.js";

/** From the pool to a worker. */
export type Request =
  | { readonly type: "run"; readonly id: number; readonly name: string; readonly input: unknown }
  | { readonly type: "abort"; readonly id: number };

/** From a worker to the pool. */
export type Answer =
  | { readonly type: "advanced"; readonly id: number; readonly bytes: number }
  | { readonly type: "done"; readonly id: number; readonly result: unknown }
  | { readonly type: "failed"; readonly id: number; readonly error: ErrorMessage };

/** An error as it crosses threads: structured clone keeps neither `code` nor what a Failure adds. */
export interface ErrorMessage {
  readonly failure?: FailureDocument | undefined;
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: string | undefined;
  readonly cause: ErrorMessage | undefined;
}

export function encodeError(error: unknown): ErrorMessage {
  if (!(error instanceof Error))
    return { name: "Error", message: String(error), stack: undefined, code: undefined, cause: undefined };
  return {
    failure: error instanceof Failure ? error.toJSON() : undefined,
    name: error.name,
    message: error.message,
    stack: error.stack,
    code: "code" in error && typeof error.code === "string" ? error.code : undefined,
    cause: error.cause === undefined ? undefined : encodeError(error.cause),
  };
}

export function decodeError({ failure, name, message, stack, code, cause }: ErrorMessage): Error {
  const inner = cause === undefined ? undefined : decodeError(cause);
  if (failure !== undefined) return new Failure(failure.kind, failure.message, { ...failure, cause: inner });
  const error = new Error(message, inner === undefined ? undefined : { cause: inner });
  return Object.assign(error, { name, stack }, code === undefined ? {} : { code });
}
