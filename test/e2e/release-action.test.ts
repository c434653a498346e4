import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { scratchDirectory } from "../support/fixtures.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

test("the commit of a release has the sources, and the bundle that no branch has", () => {
  using scratch = scratchDirectory();
  const project = join(scratch.path, "project");
  mkdirSync(join(project, "dist/cli"), { recursive: true });
  const git = (...args: string[]): string =>
    execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@example.com", ...args], {
      cwd: project,
      encoding: "utf8",
    }).trim();
  cpSync(join(root, "action.yml"), join(project, "action.yml"));
  writeFileSync(join(project, ".gitignore"), "dist/\n");
  git("init", "--quiet");
  git("add", ".");
  git("commit", "--quiet", "-m", "sources");
  const release = (): string =>
    execFileSync(process.execPath, [join(root, "scripts/release-action.mjs"), project], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        GIT_AUTHOR_NAME: "test",
        GIT_AUTHOR_EMAIL: "test@example.com",
        GIT_COMMITTER_NAME: "test",
        GIT_COMMITTER_EMAIL: "test@example.com",
      },
    }).trim();
  expect(release).toThrow("run `npm run build` first");

  writeFileSync(join(project, "dist/cli/action.js"), "// built\n");
  const commit = release();
  expect(git("ls-tree", "-r", "--name-only", commit).split("\n")).toEqual([
    ".gitignore",
    "action.yml",
    "dist/cli/action.js",
  ]);
  expect(git("rev-parse", `${commit}^`)).toBe(git("rev-parse", "HEAD"));
  expect(git("status", "--porcelain")).toBe("");
});
