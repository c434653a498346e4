// Times the benchmarks named on the command line (run.mjs says how it is called).
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { machine, type Prepare, type Result, time } from "./harness.js";
import { lineOf, tableOf } from "./report.js";

const { values, positionals } = parseArgs({
  options: {
    /** One document instead of lines. */
    json: { type: "boolean", default: false },
    /** One round on small data. */
    short: { type: "boolean", default: false },
    /** Also as Markdown to this folder. */
    save: { type: "string" },
  },
  allowPositionals: true,
});
const { json, short, save } = values;

const results: { file: string; result: Result }[] = [];
if (!json) console.log(machine());
for (const file of positionals) {
  const { prepare }: { prepare: Prepare } = await import(new URL(`./${file}.js`, import.meta.url).href);
  for (const benchmark of await prepare({ short })) {
    const result = await time(benchmark, { short });
    results.push({ file, result });
    if (!json) console.log(lineOf(file, result));
  }
}
if (json)
  console.log(
    JSON.stringify(
      { machine: machine(), short, results: results.map(({ file, result }) => ({ file, ...result })) },
      undefined,
      2,
    ),
  );
if (save !== undefined) {
  const date = new Date().toISOString().slice(0, 10);
  mkdirSync(save, { recursive: true });
  const path = `${save}/${date}-${positionals.length > 1 ? "all" : positionals[0]}.md`;
  writeFileSync(path, tableOf(results, { machine: machine(), date }));
  console.error(`written to ${path}`);
}
process.exit();
