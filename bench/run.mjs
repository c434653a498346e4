// Times what is built as it is shipped: `npm run bench [NAME]... [-- OPTION...]`, where NAME is a file here.
//   --json   one document instead of lines
//   --short  one round on small data: whether it works, not how fast
//   --save   writes a table to bench/results/DATE-NAME.md
import { readdirSync } from "node:fs";
import { install, root, run } from "../scripts/run.mjs";

install();
const { build } = await import("esbuild");
const { build: ship } = await import("../scripts/build.mjs");
const names = readdirSync(`${root}/bench`)
  .filter((file) => file.endsWith(".ts") && !["harness.ts", "main.ts", "report.ts"].includes(file))
  .map((file) => file.slice(0, -".ts".length));
const given = process.argv.slice(2);
const asked = given.filter((argument) => !argument.startsWith("-"));
const unknown = asked.find((name) => !names.includes(name));
if (unknown !== undefined) {
  console.error(`bench: there is no ${unknown}; there are ${names.join(", ")}`);
  process.exit(2);
}
await ship({ types: false });
await build({
  absWorkingDir: root,
  entryPoints: {
    ...Object.fromEntries(["main", ...names].map((name) => [name, `bench/${name}.ts`])),
    spent: "bench/support/spent.ts",
    worker: "src/io/workers/worker.ts",
  },
  outdir: "dist/bench",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  packages: "external",
  logLevel: "warning",
});
const options = given
  .filter((argument) => argument.startsWith("-"))
  .map((argument) => (argument === "--save" ? "--save=bench/results" : argument));
process.exit(
  run(process.execPath, ["dist/bench/main.js", ...options, ...(asked.length > 0 ? asked : names)]),
);
