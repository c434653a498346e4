// Times what is built as it is shipped: `npm run bench -- [--json] [NAME]...`, where NAME is a file here.
import { readdirSync } from "node:fs";
import { install, root, run } from "../scripts/run.mjs";

install();
const { build } = await import("esbuild");
const { build: ship } = await import("../scripts/build.mjs");
const names = readdirSync(`${root}/bench`)
  .filter((file) => file.endsWith(".ts") && !["harness.ts", "main.ts"].includes(file))
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
const options = given.filter((argument) => argument.startsWith("-"));
process.exit(
  run(process.execPath, ["dist/bench/main.js", ...options, ...(asked.length > 0 ? asked : names)]),
);
