import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { createLimiter } from "../base/limit.js";

export interface GraphOptions<T, K> {
  /** Pieces of work under way at once. */
  readonly limit: number;
  /** Start nothing new after the first that fails. */
  readonly failFast: boolean;
  keyOf(item: T): K;
  /** Keys of what must be done before an item can be; those that are no items are done. */
  needs(item: T): readonly K[];
  /** What failed before, by key. */
  readonly broken: ReadonlyMap<K, unknown>;
  readonly call: Call;
  /** `dependencies` resolves when all that the item needs is done: work that does not need them comes before. */
  work(item: T, dependencies: () => Promise<void>): Promise<void>;
}

/**
 * Works on items that need each other, as many at once as may be: each starts when there is room, and waits for what
 * it needs only where it says so. Items come in an order in which each is after what it needs, so that none waits
 * for one that has no room.
 * @returns what failed, and what could not be done without it
 */
export async function runGraph<T, K>(
  items: readonly T[],
  options: GraphOptions<T, K>,
): Promise<readonly { readonly item: T; readonly error: unknown }[]> {
  const { limit, keyOf, needs, broken, call, work } = options;
  const limiter = createLimiter(limit);
  const failed: { item: T; error: unknown }[] = [];
  const done = new Map<K, Promise<unknown>>();
  for (const item of items) {
    const before = needs(item).flatMap((key) => {
      const known = done.get(key) ?? (broken.has(key) ? Promise.resolve(broken.get(key)) : undefined);
      return known === undefined ? [] : [known];
    });
    const dependencies = async (): Promise<void> => {
      for (const error of await Promise.all(before))
        if (error !== undefined)
          throw new Failure("partial", `a package that it needs failed: ${messageOf(error)}`, {
            code: "install.dependency-failed",
            cause: error,
          });
    };
    // Resolves to what went wrong: whoever needs the item asks, and else nobody has to.
    const running = limiter(async () => {
      try {
        checkInterrupted(call);
        if (options.failFast && failed[0] !== undefined) throw failed[0].error;
        await work(item, dependencies);
        return undefined;
      } catch (error) {
        failed.push({ item, error });
        return error ?? new Error("failed");
      }
    });
    done.set(keyOf(item), running);
  }
  await Promise.all(done.values());
  return failed;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
