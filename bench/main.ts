// Times the benchmarks named on the command line; --json prints one document.
import { parseArgs } from "node:util";
import { machine, type Prepare, type Timing, time } from "./harness.js";

const { values, positionals } = parseArgs({
  options: { json: { type: "boolean", default: false } },
  allowPositionals: true,
});

const timings: (Timing & { file: string })[] = [];
if (!values.json) console.log(machine());
for (const file of positionals) {
  const { prepare }: { prepare: Prepare } = await import(new URL(`./${file}.js`, import.meta.url).href);
  for (const benchmark of await prepare()) {
    const timing = await time(benchmark);
    timings.push({ file, ...timing });
    if (!values.json) console.log(lineOf(file, timing));
  }
}
if (values.json) console.log(JSON.stringify({ machine: machine(), timings }, undefined, 2));

function lineOf(file: string, timing: Timing): string {
  const { name, milliseconds, perSecond, unit, peer, peerMilliseconds, timesPeer, goalMet } = timing;
  const own = `${file}: ${name}: ${milliseconds.toFixed(2)} ms, ${rounded(perSecond)} ${unit}/s`;
  const other =
    peer === undefined
      ? ""
      : `; ${peer}: ${peerMilliseconds?.toFixed(2)} ms; ${timesPeer?.toFixed(2)} x ${peer}`;
  return own + other + (goalMet === false ? "; MISSES ITS GOAL" : "");
}

function rounded(number: number): string {
  return number.toLocaleString("en", { maximumSignificantDigits: 3 });
}
