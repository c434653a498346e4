/** Time, as a port: what waits or back-offs can be tested without waiting. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason once it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Numbers in [0, 1), as a port: jitter and names that must differ. */
export type Random = () => number;
