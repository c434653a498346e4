import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { keepLastUsed, markUsed } from "./last-used.js";

test("what was used last is kept, as far as there is room", async () => {
  const directory = mkdtempSync(join(tmpdir(), "stowage-used-"));
  try {
    for (const [age, name] of ["new", "middle", "old", "oldest"].entries()) {
      writeFileSync(join(directory, name), "x".repeat(100));
      utimesSync(join(directory, name), 1000 - age, 1000 - age);
    }
    await keepLastUsed(directory, 400);
    expect(readdirSync(directory)).toHaveLength(4);
    await markUsed(join(directory, "oldest"));
    await keepLastUsed(directory, 250);
    expect(readdirSync(directory).sort()).toEqual(["new", "oldest"]);
    await keepLastUsed(join(directory, "nowhere"), 0);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
