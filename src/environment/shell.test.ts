import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { type Shell, shellCommands } from "./shell.js";

const nasty = 'a\'b "c" $HOME `id` \\ ! #:;*\n√';
const before = new Map([
  ["KEPT", "as it is"],
  ["GONE", "x"],
]);
const after = new Map([
  ["KEPT", "as it is"],
  ["NASTY", nasty],
  ["PATH", "/a:/b"],
]);

test("only what changes is told, in Spack's words", () => {
  expect(shellCommands(before, new Map([...before, ["PATH", "/a:/b"]]), "sh")).toBe("export PATH=/a:/b;\n");
  expect(shellCommands(before, new Map(), "csh")).toBe("unsetenv GONE;\nunsetenv KEPT;\n");
  expect(shellCommands(new Map(), new Map([["A", "it's"]]), "fish")).toBe("set -gx A 'it\\'s';\n");
});

const interpreters: readonly (readonly [Shell, string])[] = [
  ["sh", "sh"],
  ["sh", "bash"],
  ["sh", "dash"],
  ["sh", "zsh"],
  ["csh", "tcsh"],
  ["csh", "csh"],
  ["fish", "fish"],
];
const isThere = (program: string): boolean => spawnSync(program, ["-c", "true"]).status === 0;

test.each(interpreters.filter(([, program]) => isThere(program)))(
  "%s commands say to %s what they mean",
  (shell, program) => {
    const commands = shellCommands(before, after, shell);
    const { stdout } = spawnSync(program, ["-c", `${commands}/usr/bin/env -0`], {
      encoding: "utf8",
      env: { PATH: "/usr/bin:/bin", GONE: "x", KEPT: "as it is" },
    });
    const found = stdout.split("\0");
    expect(found).toContain(`NASTY=${nasty}`);
    expect(found).toContain("PATH=/a:/b");
    expect(found).toContain("KEPT=as it is");
    expect(found.some((line) => line.startsWith("GONE="))).toBe(false);
  },
);
