import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkFile } from "./check.js";
import type { VectorKind } from "./kind.js";
import { kinds } from "./kinds.js";

const shared = "../shared/vectors";
const given = { "versions.jsonl": 8000, "git-versions.jsonl": 500, "specs.jsonl": 9000, "oci.jsonl": 50 };
const specs = ["environment.spack.lock", "python-stack.index.json"].map((name) =>
  join("../shared/fixtures", name),
);

for (const [name, least] of Object.entries(given))
  test.skipIf(!existsSync(join(shared, name)))(`we answer ${name} as Spack did`, async () => {
    const { passed, failures } = await checkFile(join(shared, name), { kinds, specs });
    expect(failures).toEqual([]);
    expect(passed).toBeGreaterThan(least);
  });

test("we answer odd specs as Spack did", async () => {
  const { passed, failures } = await checkFile("test/fixtures/spack-specs/answers.jsonl", {
    kinds,
    specs: [],
  });
  expect(failures).toEqual([]);
  expect(passed).toBe(480);
});

test("npm run vectors prints a failing line with both answers, and ends with the counts", () => {
  const scratch = mkdtempSync(join(tmpdir(), "stowage-vectors-"));
  try {
    const file = join(scratch, "wrong.jsonl");
    writeFileSync(
      file,
      '{"op": "cmp", "a": "1.2", "b": "1.10", "r": 1, "eq": false}\n{"op": "cmp", "a": "1", "b": "1", "r": 0, "eq": true}\n',
    );
    const done = spawnSync(process.execPath, ["scripts/vectors.mjs", file], { encoding: "utf8" });
    expect(done.stdout).toContain('expected {"r":1,"eq":false}\n  found    {"r":-1,"eq":false}');
    expect(done.stdout.trimEnd().split("\n").at(-1)).toBe("1 passed, 1 failed");
    expect(done.status).toBe(1);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});

test("a departure passes with the answer that its list states, and with no other", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "stowage-vectors-"));
  const file = join(scratch, "departing.jsonl");
  writeFileSync(file, '{"op": "double", "n": 1, "is": 3}\n{"op": "double", "n": 2, "is": 5}\n');
  const kind: VectorKind = {
    name: "double",
    questions: ["n"],
    accepts: () => true,
    open: () => (line) => ({ is: Number(line["n"]) * 2 }),
    departures: [
      { line: { op: "double", n: 1 }, answer: { is: 2 }, reason: "twice one is two" },
      { line: { op: "double", n: 2 }, answer: { is: 6 }, reason: "stated wrongly" },
    ],
  };
  try {
    const { passed, failures, departures } = await checkFile(file, { kinds: [kind], specs: [] });
    expect(passed).toBe(1);
    expect(departures.map(({ reason }) => reason)).toEqual(["twice one is two"]);
    expect(failures.map(({ found }) => found)).toEqual([{ is: 4 }]);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});
