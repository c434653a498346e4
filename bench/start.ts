// How long a command takes before it does anything: beside a Node that does nothing.
import type { Prepare } from "./harness.js";
import { nothing, spend, stowage } from "./support/command.js";

export const prepare: Prepare = () =>
  [["--version"], ["--help"], ["buildcache", "push", "--help"]].map((args) => ({
    name: args.join(" "),
    run: () => spend([...stowage, ...args]),
    peer: { name: "node -e 0", run: () => spend(nothing) },
    demands: args.length === 1 ? [{ times: 1.6 }] : [],
  }));
