// The one gate: format, types, lint, import rule, tests. Stops at the first that fails.
import { install, run, tool } from "./run.mjs";

install();
const quick = process.argv.includes("--quick");
const steps = [
  ["format", () => tool("biome", ["format", "."])],
  ["types", () => tool("tsc", ["--noEmit"])],
  ["lint", () => tool("biome", ["lint", "--error-on-warnings", "."])],
  ["imports", () => run(process.execPath, ["scripts/check-imports.mjs"])],
  ["tests", () => run(process.execPath, ["scripts/test.mjs", ...(quick ? ["src"] : [])])],
];
for (const [name, step] of steps) {
  const code = step();
  if (code !== 0) {
    console.error(`npm run ok: ${name} failed`);
    process.exit(code);
  }
}
