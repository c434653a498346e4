import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { sbangPathOf, sbangScript, shebangLimit, wrapShebang } from "./sbang.js";

const scratch = mkdtempSync(join(tmpdir(), "stowage-sbang-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const sbang = sbangPathOf("/s");
const wrapped = (script: string) => {
  const bytes = wrapShebang(Buffer.from(script), { sbang });
  return bytes === undefined ? undefined : Buffer.from(bytes).toString();
};
const long = `/${"long/".repeat(30)}bin`;

test("an interpreter line of as many bytes as the kernel reads stays, a longer one is wrapped", () => {
  const line = (length: number) => `#!/${"x".repeat(length - 4)}\n`;
  expect(wrapped(`${line(shebangLimit)}echo`)).toBeUndefined();
  expect(wrapped(`${line(shebangLimit + 1)}echo`)).toBe(
    `#!/bin/sh /s/bin/sbang\n${line(shebangLimit + 1)}echo`,
  );
  expect(wrapped("x".repeat(1000))).toBeUndefined();
});

test("the line becomes a comment of its language", () => {
  expect(wrapped(`#!${long}/lua5.4 -i\nx`)).toBe(`#!/bin/sh /s/bin/sbang\n--!${long}/lua5.4 -i\nx`);
  expect(wrapped(`#!${long}/node\nx`)).toBe(`#!/bin/sh /s/bin/sbang\n//!${long}/node\nx`);
  expect(wrapped(`#!${long}/php -n\nx`)).toBe(`#!/bin/sh /s/bin/sbang\n<?php #!${long}/php -n ?>\nx`);
  expect(wrapped(`#!${long}/lua/python\nx`)).toBe(`#!/bin/sh /s/bin/sbang\n#!${long}/lua/python\nx`);
});

test("a store whose own sbang is too long is refused with what would do", () => {
  expect(() => wrapShebang(Buffer.from(`#!${long}\n`), { sbang: `${long}/sbang` })).toThrow(
    expect.objectContaining({ code: "relocate.sbang-too-long" }),
  );
});

test.skipIf(process.platform === "win32")(
  "the script starts what line 2 names, with its options and arguments",
  () => {
    const path = join(scratch, "sbang");
    writeFileSync(path, sbangScript, { mode: 0o755 });
    const bin = join(scratch, "deep/".repeat(30));
    mkdirSync(bin, { recursive: true });
    for (const name of ["sh", "perl", "lua"]) {
      const interpreter = join(bin, name);
      // Each says how it was called; `sh` is the real one.
      if (name === "sh") symlinkSync("/bin/sh", interpreter);
      else writeFileSync(interpreter, `#!/bin/sh\nshift 0; echo ${name} "$@"\n`, { mode: 0o755 });
    }
    const run = (line: string, body: string, ...args: string[]) => {
      const script = join(scratch, "script");
      const bytes = wrapShebang(Buffer.from(`#!${line}\n${body}\n`), { sbang: path });
      writeFileSync(script, bytes ?? "", { mode: 0o755 });
      return execFileSync(script, args, { encoding: "utf8" }).replaceAll(script, "SCRIPT");
    };
    expect(run(`${bin}sh -e`, 'case $- in *e*) echo "$1|$2" ;; esac', "a b", "*").trim()).toBe("a b|*");
    expect(run(`${bin}perl -w`, "", "1")).toBe("perl -w -x SCRIPT 1\n");
    expect(run(` ${bin}lua`, "", "1")).toBe("lua SCRIPT 1\n");
  },
);
