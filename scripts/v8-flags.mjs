import { setFlagsFromString } from "node:v8";

/**
 * How V8 is to run a command: one that is over before it could profit from what V8 does beside it, in other threads.
 * Set before anything is compiled, here and when it is compiled beforehand; V8 takes no code made under others.
 * `before`: the first Node version that does not have it.
 */
export const v8Flags = [
  // The HTTP client's parser is WebAssembly: optimizing it takes 100 ms of a processor. Bodies go by it untouched.
  { flag: "--liftoff-only", before: Number.MAX_SAFE_INTEGER },
  // Optimize what is still hot after eight times the default: most of it was not run long enough to get that back.
  // V8 of Node 22 and later does not know it, and says so on stderr.
  { flag: "--interrupt-budget=1000000", before: 21 },
  // Mark in one go: what is received lies outside of V8's heap, and each 64 MB of it made V8 mark again, step by step and
  // in threads beside.
  { flag: "--no-incremental-marking", before: 21 },
];

/** What src/cli/start.ts does before it takes the bundle. */
export function setV8Flags() {
  const node = Number.parseInt(process.versions.node, 10);
  for (const { flag, before } of v8Flags) if (node < before) setFlagsFromString(flag);
}
