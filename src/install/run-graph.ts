import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { createLimiter } from "../base/limit.js";

export interface GraphOptions<T, K> {
  /** Items that are started at once, the largest first: the last to end shall be a small one. */
  readonly limit: number;
  sizeOf(item: T): number;
  /** Start nothing new after the first that fails. */
  readonly failFast: boolean;
  keyOf(item: T): K;
  /** Keys of what must be done before an item can be; those that are no items are done. */
  needs(item: T): readonly K[];
  /** What failed before, by key. */
  readonly broken: ReadonlyMap<K, unknown>;
  readonly call: Call;
  /** Work for which nothing else has to be done; gives the rest, which is called when all that the item needs is. */
  start(item: T): Promise<() => Promise<void>>;
}

/**
 * Works on items that need each other, as many at once as may be: each starts when there is room, and takes none
 * while it waits for what it needs. Items come in an order in which each is after what it needs.
 * @returns what failed, and what could not be done without it
 */
export async function runGraph<T, K>(
  items: readonly T[],
  options: GraphOptions<T, K>,
): Promise<readonly { readonly item: T; readonly error: unknown }[]> {
  const { limit, sizeOf, keyOf, needs, broken, call, failFast } = options;
  const limiter = createLimiter(limit);
  const failed: { item: T; error: unknown }[] = [];
  const start = async (item: T) => {
    checkInterrupted(call);
    if (failFast && failed[0] !== undefined) throw failed[0].error;
    return await options.start(item);
  };
  const started = new Map(
    items.toSorted((a, b) => sizeOf(b) - sizeOf(a)).map((item) => [item, limiter(() => start(item))]),
  );
  const done = new Map<K, Promise<unknown>>();
  for (const item of items) {
    const before = needs(item).flatMap((key) => {
      const known = done.get(key) ?? (broken.has(key) ? Promise.resolve(broken.get(key)) : undefined);
      return known === undefined ? [] : [known];
    });
    const dependencies = async () => {
      for (const error of await Promise.all(before))
        if (error !== undefined)
          throw new Failure("partial", `a package that it needs failed: ${messageOf(error)}`, {
            code: "install.dependency-failed",
            cause: error,
          });
    };
    // Resolves to what went wrong: whoever needs the item asks, and else nobody has to.
    const run = async () => {
      try {
        const end = await started.get(item);
        await dependencies();
        await end?.();
        return undefined;
      } catch (error) {
        failed.push({ item, error });
        return error ?? new Error("failed");
      }
    };
    done.set(keyOf(item), run());
  }
  await Promise.all(done.values());
  return failed;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
