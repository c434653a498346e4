import { type Call, checkInterrupted } from "../../base/call.js";
import type { Clock, Random } from "../../base/clock.js";
import type { FailureKind, FailureOptions } from "../../base/failure.js";
import { type Exchange, RegistryFailure } from "../../oci/errors.js";
import type { Host } from "./host.js";

/** A failure that trying again may cure. */
export class TransientFailure extends RegistryFailure {
  /** Milliseconds that the host asked to wait. */
  readonly retryAfter: number | undefined;
  /** The host asks for fewer requests, not only for this one again. */
  readonly throttled: boolean;
  /** When the request was sent, of a throttled one. */
  readonly sentAt: number;
  /** How often it is worth trying at all; undefined: as often as any. */
  readonly most: number | undefined;

  constructor(
    kind: FailureKind,
    message: string,
    {
      retryAfter,
      throttled = false,
      sentAt = 0,
      most,
      ...options
    }: FailureOptions & {
      readonly exchange: Exchange;
      readonly retryAfter?: number | undefined;
      readonly throttled?: boolean | undefined;
      readonly sentAt?: number | undefined;
      readonly most?: number | undefined;
    },
  ) {
    super(kind, message, options);
    this.retryAfter = retryAfter;
    this.throttled = throttled;
    this.sentAt = sentAt;
    this.most = most;
  }
}

export interface RetryPolicy {
  readonly clock: Clock;
  readonly random: Random;
  /** Tries of one request in a row without any progress. */
  readonly tries: number;
  /** Milliseconds before the first retry, doubled for each one after. */
  readonly firstWait: number;
  /** Milliseconds between two tries, at most, where the host does not ask for more. */
  readonly longestWait: number;
  /** Milliseconds that a host may ask to wait; one that asks for more has given up on us. */
  readonly longestAsked: number;
}

/** A wait of so many ms is worth a word: someone may be watching. */
const longWait = 5000;

/** The tries of one piece of work: decides after each failure whether there is another, and waits for it. */
export interface Tries {
  /** Resolves when it is time to try again; throws the failure, saying why, where there is no other try. */
  again(error: unknown): Promise<void>;
  /** Something came of the last try: tries are counted afresh. */
  progressed(): void;
}

export function createTries(
  host: Host,
  { clock, random, tries, firstWait, longestWait, longestAsked }: RetryPolicy,
  call: Call | undefined,
): Tries {
  let failed = 0;
  return {
    progressed() {
      failed = 0;
    },
    async again(error) {
      checkInterrupted(call);
      if (!(error instanceof TransientFailure)) throw error;
      failed += 1;
      const asked = error.retryAfter ?? 0;
      if (asked > longestAsked) throw gaveUp(error, `it asks to wait ${Math.ceil(asked / 60_000)} minutes`);
      if (failed >= Math.min(tries, error.most ?? tries)) throw gaveUp(error, `tried ${failed} times`);
      if (!host.spendRetry()) throw gaveUp(error, "too much else failed there too");
      const backOff = Math.min(longestWait, firstWait * 2 ** (failed - 1));
      // A host that names a time is taken at its word, down to less than a millisecond; the rest is jitter.
      const wait = asked > 0 ? asked + backOff * 0.1 * random() : backOff * (0.5 + 0.5 * random());
      if (error.throttled) host.throttled(wait, error.sentAt);
      if (wait >= longWait)
        call?.report?.({
          type: "note",
          level: "info",
          message: `${error.message}; trying again in ${Math.round(wait / 1000)} s`,
        });
      await clock.sleep(wait, call?.signal);
    },
  };
}

function gaveUp(error: TransientFailure, why: string): RegistryFailure {
  return new RegistryFailure(error.kind, `${error.message} (${why})`, {
    code: error.code,
    hint: error.hint,
    subject: error.subject,
    exchange: error.exchange,
    cause: error.cause,
  });
}
