import { Failure, interrupted } from "./failure.js";
import type { Report } from "./progress.js";

/** What every operation takes along: a way to stop it and someone to tell how it goes. */
export interface Call {
  readonly signal?: AbortSignal | undefined;
  readonly report?: Report | undefined;
}

/** Throws the `interrupted` failure once the call's signal is aborted; asked before each unit of work. */
export function checkInterrupted(call: Call | undefined): void {
  const signal = call?.signal;
  if (!signal?.aborted) return;
  throw signal.reason instanceof Failure ? signal.reason : interrupted(signal.reason);
}
