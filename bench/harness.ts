import { arch, cpus, platform, totalmem } from "node:os";

/** One thing that is timed; with a peer, side by side with another program or library on the same task. */
export interface Benchmark {
  readonly name: string;
  readonly run: () => unknown;
  readonly peer?: { readonly name: string; readonly run: () => unknown } | undefined;
  /** Undoes what a run of either left, not timed. */
  readonly reset?: (() => void) | undefined;
  /** Rounds that count, where a run takes so long that 11 would be too many. */
  readonly rounds?: number | undefined;
  /** How many of `unit` one run does. */
  readonly count: number;
  /** `comparisons`, `specs`, `bytes`. */
  readonly unit: string;
  /** What the project promises: milliseconds for a run, or speed as a multiple of the peer's. */
  readonly goal?: { readonly milliseconds: number } | { readonly timesPeer: number } | undefined;
}

/** A file `bench/NAME.ts` exports this: makes its data (not timed) and gives what is to be timed. */
export type Prepare = () => readonly Benchmark[] | Promise<readonly Benchmark[]>;

export interface Timing {
  readonly name: string;
  /** Median of a run. */
  readonly milliseconds: number;
  readonly perSecond: number;
  readonly unit: string;
  readonly peer?: string | undefined;
  readonly peerMilliseconds?: number | undefined;
  /** Median, pair by pair, of the peer's time over ours: above 1 we are faster. */
  readonly timesPeer?: number | undefined;
  readonly goalMet?: boolean | undefined;
}

/**
 * Times both in turns (A B A B …), so that whatever else the machine does meets both. The first round warms
 * up and does not count.
 */
export async function time(benchmark: Benchmark): Promise<Timing> {
  const { name, run, peer, reset, rounds = 11, count, unit, goal } = benchmark;
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const mine = await millisecondsOf(run);
    reset?.();
    const other = peer === undefined ? Number.NaN : await millisecondsOf(peer.run);
    reset?.();
    if (round === 0) continue;
    ours.push(mine);
    theirs.push(other);
  }
  const milliseconds = median(ours);
  const timing = { name, milliseconds, perSecond: (count / milliseconds) * 1000, unit };
  const timesPeer = median(ours.map((mine, round) => (theirs[round] ?? Number.NaN) / mine));
  const goalMet =
    goal && ("milliseconds" in goal ? milliseconds <= goal.milliseconds : timesPeer >= goal.timesPeer);
  if (peer === undefined) return { ...timing, goalMet };
  return { ...timing, peer: peer.name, peerMilliseconds: median(theirs), timesPeer, goalMet };
}

async function millisecondsOf(run: () => unknown): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return ((sorted[middle] ?? Number.NaN) + (sorted[sorted.length - 1 - middle] ?? Number.NaN)) / 2;
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
