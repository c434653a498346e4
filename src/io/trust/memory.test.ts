import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createMemoryRegistry } from "../../oci/memory.js";
import { parseRepositoryName } from "../../oci/reference.js";
import { openIndexMemory, openVerifiedMemory } from "./memory.js";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "stowage-memory-"));
});
afterEach(() => rmSync(root, { recursive: true }));

const repository = createMemoryRegistry().repository(parseRepositoryName("cache"));

test("the newest index seen never becomes an older one, nor is what cannot be read taken for none", async () => {
  const memory = openIndexMemory(root, {});
  expect(await memory.read(repository)).toBeUndefined();
  await memory.write(repository, 7);
  // As another process would that saw an older one, and is slower.
  await openIndexMemory(root, {}).write(repository, 5);
  expect(await memory.read(repository)).toBe(7);
  const [file = ""] = readdirSync(join(root, "indices"));
  for (const torn of ["", "7x", "-1"]) {
    writeFileSync(join(root, "indices", file), torn);
    await expect(memory.read(repository)).rejects.toMatchObject({ code: "trust.memory-broken" });
  }
});

test("of what was verified a line that is not whole counts for nothing", async () => {
  await openVerifiedMemory(root, {}).add("one");
  const again = openVerifiedMemory(root, {});
  expect([await again.has("one"), await again.has("two")]).toEqual([true, false]);
  writeFileSync(join(root, "verified"), "0".repeat(63));
  await openVerifiedMemory(root, {}).add("two");
  expect(await openVerifiedMemory(root, {}).has("two")).toBe(false);
});
