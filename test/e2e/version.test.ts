import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

function stowage(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["dist/cli/stowage.js", "version", ...args],
    {
      encoding: "utf8",
    },
  );
  return { code: status, out: stdout, err: stderr };
}

test("stowage version answers scripts by a word and by the exit code", () => {
  expect(stowage("compare", "1.9", "1.10")).toEqual({ code: 0, out: "<\n", err: "" });
  expect(stowage("satisfies", "1.2.3", "1.2:1.4")).toEqual({ code: 0, out: "yes\n", err: "" });
  expect(stowage("satisfies", "1.5", "1.2:1.4")).toEqual({ code: 1, out: "no\n", err: "" });
  expect(stowage("satisfies", "1.5", "1.2/1.4").code).toBe(2);
  expect(stowage("compare", "git.main", "1.0").err).toContain("give the repository with --git");
});
