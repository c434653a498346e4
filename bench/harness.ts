import { arch, cpus, platform, totalmem } from "node:os";
import { isInstalled, type Spent } from "./support/command.js";

/** One thing that is timed; with a peer, side by side with another program or library on the same task. */
export interface Benchmark {
  readonly name: string;
  /** What a command took is what it gives; what anything else took is measured here. */
  readonly run: () => unknown;
  readonly peer?: Peer | undefined;
  /** Undoes what a run of either left, not timed. */
  readonly reset?: (() => unknown) | undefined;
  /** Rounds that count. */
  readonly rounds?: number | undefined;
  /** How many of `unit` one run does: `comparisons`, `specs`, `bytes`. */
  readonly count?: number | undefined;
  readonly unit?: string | undefined;
  /** What the project promises (docs/performance.md). */
  readonly demands?: readonly Demand[] | undefined;
}

export interface Peer {
  readonly name: string;
  /** The program that it needs: where that is missing, it is skipped by name. */
  readonly program?: string | undefined;
  readonly run: () => unknown;
}

export type Demand =
  /** At most so many times the peer's time, median pair by pair. */
  | { readonly times: number }
  /** At most so many seconds more than the peer, median pair by pair. */
  | { readonly secondsMore: number }
  /** At most so long, median. */
  | { readonly milliseconds: number }
  /** At most so many bytes of memory, in the worst round. */
  | { readonly memory: number }
  /** At most so many times the peer's output. */
  | { readonly size: number };

export interface PrepareOptions {
  /** Small data, to see that it works: figures mean nothing then. */
  readonly short: boolean;
}

/** A file `bench/NAME.ts` exports this: makes its data (not timed) and gives what is to be timed. */
export type Prepare = (options: PrepareOptions) => readonly Benchmark[] | Promise<readonly Benchmark[]>;

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** What the rounds of one program took. */
export interface Figures {
  readonly milliseconds: Spread;
  /** Seconds of processors: what another load of the machine changes least. */
  readonly processors: Spread | undefined;
  /** Peak memory of one process, in bytes. */
  readonly memory: Spread | undefined;
  /** Bytes of what was made, where that counts. */
  readonly size: Spread | undefined;
}

export interface Result {
  readonly name: string;
  readonly ours: Figures;
  readonly peer?: { readonly name: string; readonly missing: boolean } | undefined;
  readonly theirs?: Figures | undefined;
  /** Ours over theirs, pair by pair: below 1 we are faster. */
  readonly ratio?: Spread | undefined;
  readonly processorRatio?: Spread | undefined;
  readonly perSecond?: { readonly count: number; readonly unit: string } | undefined;
  readonly demands: readonly Judged[];
}

export interface Judged {
  readonly demand: Demand;
  /** Undefined where the peer is missing, or memory cannot be told here. */
  readonly found: number | undefined;
  readonly met: boolean | undefined;
}

/**
 * Times both in turns (A B A B …), so that whatever else the machine does meets both. The first round warms
 * up and does not count, but where one round is all: then no time is of interest.
 */
export async function time(benchmark: Benchmark, { short }: PrepareOptions): Promise<Result> {
  const { name, run, reset, rounds = 11, count, unit, demands = [] } = benchmark;
  const missing = benchmark.peer?.program !== undefined && !isInstalled(benchmark.peer.program);
  const peer = missing ? undefined : benchmark.peer;
  const ours: Spent[] = [];
  const theirs: Spent[] = [];
  const counted = short ? 1 : rounds;
  for (let round = counted === 1 ? 1 : 0; round <= counted; round += 1) {
    const mine = await spentBy(run);
    await reset?.();
    const other = peer && (await spentBy(peer.run));
    if (peer !== undefined) await reset?.();
    if (round === 0) continue;
    ours.push(mine);
    if (other !== undefined) theirs.push(other);
  }
  const result = {
    name,
    ours: figuresOf(ours),
    peer: benchmark.peer && { name: benchmark.peer.name, missing },
    theirs: peer && figuresOf(theirs),
    ratio: ratioOf(ours, theirs, ({ milliseconds }) => milliseconds),
    processorRatio: ratioOf(ours, theirs, ({ processors }) => processors),
  };
  return {
    ...result,
    perSecond:
      count === undefined || unit === undefined
        ? undefined
        : { count: (count / result.ours.milliseconds.median) * 1000, unit },
    demands: short ? [] : demands.map((demand) => judge(demand, ours, theirs)),
  };
}

/** What a call took in this process; a command that ran tells by itself. */
async function spentBy(run: () => unknown): Promise<Spent> {
  const before = process.cpuUsage();
  const start = performance.now();
  const done = await run();
  const milliseconds = performance.now() - start;
  if (isSpent(done)) return done;
  const { user, system } = process.cpuUsage(before);
  return { milliseconds, processors: (user + system) / 1e6, memory: undefined };
}

const isSpent = (value: unknown): value is Spent =>
  value instanceof Object && "milliseconds" in value && "processors" in value;

function judge(demand: Demand, ours: readonly Spent[], theirs: readonly Spent[]): Judged {
  const [found, most] = ((): readonly [number | undefined, number] => {
    if ("times" in demand)
      return [ratioOf(ours, theirs, ({ milliseconds }) => milliseconds)?.median, demand.times];
    if ("size" in demand) return [ratioOf(ours, theirs, ({ size }) => size)?.median, demand.size];
    if ("milliseconds" in demand)
      return [spreadOf(ours.map(({ milliseconds }) => milliseconds))?.median, demand.milliseconds];
    if ("memory" in demand) return [spreadOf(ours.map(({ memory }) => memory))?.most, demand.memory];
    const more = ours.map(({ milliseconds }, i) => {
      const other = theirs[i];
      return other && (milliseconds - other.milliseconds) / 1000;
    });
    return [spreadOf(more)?.median, demand.secondsMore];
  })();
  return { demand, found, met: found === undefined ? undefined : found <= most };
}

function figuresOf(rounds: readonly Spent[]): Figures {
  const milliseconds = spreadOf(rounds.map((round) => round.milliseconds));
  if (milliseconds === undefined) throw new Error("nothing was timed");
  return {
    milliseconds,
    processors: spreadOf(rounds.map(({ processors }) => processors)),
    memory: spreadOf(rounds.map(({ memory }) => memory)),
    size: spreadOf(rounds.map(({ size }) => size)),
  };
}

function ratioOf(
  ours: readonly Spent[],
  theirs: readonly Spent[],
  figure: (spent: Spent) => number | undefined,
): Spread | undefined {
  return spreadOf(
    ours.map((mine, i) => {
      const [a, b] = [figure(mine), theirs[i] && figure(theirs[i])];
      return a === undefined || b === undefined ? undefined : a / b;
    }),
  );
}

/** Undefined where a number is missing: half of the rounds tell nothing. */
function spreadOf(numbers: readonly (number | undefined)[]): Spread | undefined {
  const sorted = numbers.filter((number) => number !== undefined).sort((a, b) => a - b);
  const [least, most] = [sorted[0], sorted.at(-1)];
  if (least === undefined || most === undefined || sorted.length < numbers.length) return undefined;
  const middle = sorted.length >> 1;
  const median = ((sorted[middle] ?? Number.NaN) + (sorted[sorted.length - 1 - middle] ?? Number.NaN)) / 2;
  return { median, least, most };
}

/** Where it ran: figures of two machines are not to be compared. */
export const machine = (): string => {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} x ${cpu?.model ?? "CPU"}, ${memory} GiB, ${platform()}-${arch()}, Node ${process.version}`;
};

/** Numbers in [0, 1) that are the same in every run. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
