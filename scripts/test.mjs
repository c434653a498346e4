// Runs the tests from a fresh clone on, and closes with a line of counts.
// --soak runs the long seeded tests whole; other arguments go to vitest (files, -t NAME).
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { install, tool } from "./run.mjs";

install();
const given = process.argv.slice(2);
const soak = given.includes("--soak");
const scratch = mkdtempSync(join(tmpdir(), "stowage-test-"));
const results = join(scratch, "results.json");
const code = tool(
  "vitest",
  [
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${results}`,
    ...given.filter((a) => a !== "--soak"),
  ],
  { env: { ...process.env, ...(soak ? { STOWAGE_SOAK: "1" } : {}) } },
);
try {
  const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(
    readFileSync(results, "utf8"),
  );
  // A file that cannot be loaded fails without a test of its own: it counts as one.
  const broken = testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.length === 0,
  ).length;
  if (numPendingTests > 0) console.log(`${numPendingTests} skipped: what they miss is said above`);
  console.log(`${numPassedTests} passed, ${numFailedTests + broken} failed`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(code);
