import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compareVersionTexts, matchVersionTexts, resolveVersionText } from "./version.js";

test("versions are compared without any repository", async () => {
  expect(await compareVersionTexts(["1.9", "1.10"])).toEqual({ a: "1.9", b: "1.10", order: "<" });
  expect((await compareVersionTexts(["develop", "99"])).order).toBe(">");
  expect((await compareVersionTexts(["1.0", "1-0"])).order).toBe("=");
  await expect(compareVersionTexts(["git.main", "1.0"])).rejects.toMatchObject({
    code: "version.unresolved",
  });
});

test("a plain text is one version where it is asked about, and a range where it is asked for", async () => {
  expect(await matchVersionTexts(["1.2", "=1.2"])).toMatchObject({ versions: "=1.2", satisfies: true });
  expect(await matchVersionTexts(["1.2.3", "1.2"])).toMatchObject({ satisfies: true });
  expect(await matchVersionTexts(["1.2:", ":1.4"])).toMatchObject({ satisfies: false, intersects: true });
  expect(await matchVersionTexts(["git.main", "1.2:"])).toMatchObject({ satisfies: false, intersects: true });
});

test("a git ref gets its version from a repository", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "stowage-version-"));
  try {
    const git = (...args: string[]) =>
      execFileSync("git", ["-C", scratch, "-c", "user.name=a", "-c", "user.email=a@b", ...args]);
    git("init", "--quiet", "--initial-branch=main", "repository");
    const inside = (...args: string[]) => git("-C", "repository", ...args);
    inside("commit", "--quiet", "--allow-empty", "-m", "one");
    inside("tag", "v2024a");
    inside("commit", "--quiet", "--allow-empty", "-m", "two");
    const options = {
      git: "./repository",
      known: ["2024a"],
      cwd: scratch,
      home: scratch,
      env: { PATH: process.env["PATH"], XDG_CACHE_HOME: join(scratch, "cache") },
    };
    expect(await resolveVersionText("git.main", options)).toEqual({
      text: "git.main=2024a-git.1",
      version: "2024a-git.1",
    });
    expect(await compareVersionTexts(["git.main", "2024a"], options)).toMatchObject({ order: ">" });
    expect(await matchVersionTexts(["git.main", "2024a"], options)).toMatchObject({ satisfies: true });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});
