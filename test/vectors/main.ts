// vectors [--specs FILE]... FILE...: asks vectors files, prints what differs, closes with a line of counts.
import { parseArgs } from "node:util";
import { checkFile, type Finding } from "./check.js";
import { kinds } from "./kinds.js";

const { values, positionals } = parseArgs({
  options: { specs: { type: "string", multiple: true, default: [] } },
  allowPositionals: true,
});
if (positionals.length === 0) {
  console.error("usage: npm run vectors -- [--specs FILE]... FILE...");
  process.exit(2);
}

const json = (value: unknown): string => JSON.stringify(value);
const show = (file: string, { line, expected, found }: Finding): void =>
  console.log(`${file}: ${json(line)}\n  expected ${json(expected)}\n  found    ${json(found)}`);

let passed = 0;
let failed = 0;
for (const file of positionals) {
  const outcome = await checkFile(file, { kinds, specs: values.specs });
  passed += outcome.passed;
  failed += outcome.failures.length;
  for (const failure of outcome.failures) show(file, failure);
  for (const { line, reason } of outcome.departures)
    console.error(`${file}: departs from Spack on ${json(line)}: ${reason}`);
}
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0) process.exit(1);
