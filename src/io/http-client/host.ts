import { type Call, checkInterrupted } from "../../base/call.js";
import type { Clock, Random } from "../../base/clock.js";

/**
 * Requests that wait for each other take different lanes, or they could wait forever: an upload may read its
 * content from the same host, so downloads never queue behind uploads.
 */
export type Lane = "request" | "upload";

export interface HostOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Requests under way at once in each lane, as long as the host does not complain. */
  readonly concurrency: number;
  /** Retries that all requests to the host have together. */
  readonly retries: number;
}

/** What all requests to one host share: how many run at once, when they may, and how often they may be retried. */
export interface Host {
  /** Waits for a place in a lane; the result gives it back. */
  enter(lane: Lane, call: Call | undefined): Promise<() => void>;
  /** A request went well: a little more may run at once, and a little more may be retried. */
  succeeded(): void;
  /**
   * The host asks for less: half as many at once, none before `wait` ms have passed.
   * @param sentAt when the request was sent; those sent before the last complaint do not count again
   */
  throttled(wait: number, sentAt: number): void;
  /** Takes one retry from the budget; false where it is used up. */
  spendRetry(): boolean;
}

/** Part of a retry that a success earns: under lasting errors at most one request in five is a retry. */
const earnedBySuccess = 0.25;

/** One more request at once after as many rounds of them as this is a part of: a limit is met again, but seldom. */
const grownBySuccess = 0.25;

export function createHost({ clock, random, concurrency, retries }: HostOptions): Host {
  let limit = concurrency;
  let budget = retries;
  let notBefore = 0;
  let complainedAt = Number.NEGATIVE_INFINITY;
  const running: Record<Lane, number> = { request: 0, upload: 0 };
  const waiting: Record<Lane, (() => void)[]> = { request: [], upload: [] };

  function admitWaiting(lane: Lane): void {
    while (running[lane] < Math.floor(limit)) {
      const next = waiting[lane].shift();
      if (next === undefined) return;
      running[lane] += 1;
      next();
    }
  }

  return {
    async enter(lane, call) {
      if (running[lane] < Math.floor(limit)) running[lane] += 1;
      else await new Promise<void>((resolve) => waiting[lane].push(resolve));
      const leave = (): void => {
        running[lane] -= 1;
        admitWaiting(lane);
      };
      try {
        checkInterrupted(call);
        // Others may have moved it on while this one slept. Jitter keeps all from starting at one moment.
        while (clock.now() < notBefore)
          await clock.sleep((notBefore - clock.now()) * (1 + 0.1 * random()), call?.signal);
      } catch (error) {
        leave();
        throw error;
      }
      return leave;
    },
    succeeded() {
      limit = Math.min(concurrency, limit + grownBySuccess / limit);
      budget = Math.min(retries, budget + earnedBySuccess);
      admitWaiting("request");
      admitWaiting("upload");
    },
    throttled(wait, sentAt) {
      notBefore = Math.max(notBefore, clock.now() + wait);
      if (sentAt <= complainedAt) return;
      complainedAt = clock.now();
      limit = Math.max(1, limit / 2);
    },
    spendRetry() {
      if (budget < 1) return false;
      budget -= 1;
      return true;
    },
  };
}
