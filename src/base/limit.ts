/** Runs at most `limit` pieces of work at once: of those that wait the most urgent, else in the order they were given. */
export type Limiter = <T>(work: () => Promise<T>, urgency?: number) => Promise<T>;

export function createLimiter(limit: number): Limiter {
  let running = 0;
  const waiting: { readonly urgency: number; readonly start: () => void }[] = [];
  return async (work, urgency = 0) => {
    if (running >= limit)
      await new Promise<void>((start) => {
        const before = waiting.findLastIndex((other) => other.urgency >= urgency);
        waiting.splice(before + 1, 0, { urgency, start });
      });
    else running += 1;
    try {
      return await work();
    } finally {
      // The place goes straight to the next in line, so that a newcomer cannot overtake it.
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next.start();
    }
  };
}

/**
 * Maps over input of any length with at most `limit` calls under way; results in input order.
 * The first error stops new calls, and is thrown when those under way have ended.
 */
export async function mapLimited<T, R>(
  items: Iterable<T>,
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const iterator = items[Symbol.iterator]();
  let index = 0;
  let failed: { error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    while (failed === undefined) {
      const next = iterator.next();
      if (next.done === true) return;
      const at = index++;
      try {
        results[at] = await work(next.value, at);
      } catch (error) {
        failed ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, limit) }, worker));
  if (failed !== undefined) throw failed.error;
  return results;
}
