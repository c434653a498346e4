import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { freeBytesAt } from "./place.js";

test("what does not exist yet will be where its nearest parent is", async () => {
  const here = await freeBytesAt(tmpdir());
  expect(here).toBeGreaterThan(0);
  expect(await freeBytesAt(join(tmpdir(), "not", "yet", "there"))).toBeGreaterThan(0);
});

test.skipIf(!existsSync("/proc/self"))("nothing can be made below /proc", async () => {
  await expect(freeBytesAt("/proc/nothing/store")).rejects.toMatchObject({ code: "disk.no-place" });
});
