import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { relocateBinary } from "../../src/relocate/binary.js";
import { prefixMapOf } from "../../src/relocate/prefix-map.js";

const has = (tool: string) => spawnSync(tool, ["--version"]).error === undefined;
const scratch = mkdtempSync(join(tmpdir(), "stowage-elf-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { encoding: "utf8", stdio: "pipe" });

/** What readelf says of the file; what it warns of fails the test. */
function readelf(path: string): string {
  const { stdout, stderr } = spawnSync("readelf", ["-aW", path], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(stdout).not.toMatch(/warning|<corrupt|<unknown/i);
  return stdout;
}

/** Builds a library, a program that needs it by rpath, and an interpreter inside the prefix, at `prefix`. */
function buildAt(prefix: string, flags: string[]): { library: string; program: string } {
  mkdirSync(join(prefix, "lib"), { recursive: true });
  const [library, program] = [join(prefix, "lib/libsay.so"), join(prefix, "say")];
  const source = join(scratch, "source.c");
  const versions = join(scratch, "versions");
  writeFileSync(versions, "SAY_1 { say; };");
  writeFileSync(
    source,
    `#include <stdio.h>
     __thread int calls = 40; static char big[100000];
     int say(const char *who) { big[calls] = 1; return printf("hello %s %d\\n", who, calls += 2 * big[40]); }`,
  );
  run(
    "gcc",
    "-shared",
    "-fPIC",
    `-Wl,-rpath,${prefix}/lib:/usr/lib/none`,
    `-Wl,-soname,${flags.includes("-Wl,--defsym=absolute=0") ? `${prefix}/lib/` : ""}libsay.so`,
    `-Wl,--version-script=${versions}`,
    ...flags.filter((f) => !/pie/i.test(f)),
    "-o",
    library,
    source,
  );
  writeFileSync(
    source,
    `int say(const char *); static int zero[5000]; int main(void) { return say("world") == 15 + zero[17] ? 0 : 1; }`,
  );
  const loader = run("gcc", "-print-file-name=ld-linux-x86-64.so.2").trim();
  symlinkSync(loader, join(prefix, "lib/ld.so"));
  run(
    "gcc",
    ...flags,
    source,
    `-L${prefix}/lib`,
    "-lsay",
    `-Wl,-rpath,${prefix}/lib`,
    `-Wl,--dynamic-linker=${prefix}/lib/ld.so`,
    "-o",
    program,
  );
  return { library, program };
}

const kinds: Record<string, string[]> = {
  "position independent": ["-pie", "-fPIE"],
  "at a fixed address": ["-no-pie"],
  "with DT_RPATH": ["-Wl,--disable-new-dtags"],
  "without separate code": ["-Wl,-z,noseparate-code"],
  "with SysV hashes": ["-Wl,--hash-style=sysv"],
  "with pages of 2 MiB": ["-Wl,-z,max-page-size=0x200000"],
  stripped: ["-s"],
  "with debug information": ["-g"],
  "with absolute sonames": ["-Wl,--defsym=absolute=0"],
  "without build id or notes": ["-Wl,--build-id=none"],
};

describe.skipIf(!["gcc", "readelf", "patchelf", "strip"].every(has))("a longer prefix", () => {
  test.each(Object.entries(kinds))(
    "is written into programs and libraries %s, which run, and after strip",
    (kind, flags) => {
      const old = join(scratch, kind.replaceAll(" ", "-"));
      const { library, program } = buildAt(old, flags);
      const longer = `${old}-${"much/longer/".repeat(12)}here`;
      const map = prefixMapOf([[old, longer]]);
      mkdirSync(join(longer, "lib"), { recursive: true });
      symlinkSync(run("gcc", "-print-file-name=ld-linux-x86-64.so.2").trim(), join(longer, "lib/ld.so"));
      const moved = [library, program].map((path) => {
        const { bytes, problems } = relocateBinary(readFileSync(path), map);
        expect(problems).toEqual([]);
        const to = join(longer, path.slice(old.length));
        writeFileSync(to, bytes ?? "");
        chmodSync(to, 0o755);
        expect(run("patchelf", "--print-rpath", to)).toBe(
          `${longer}/lib${path === library ? ":/usr/lib/none" : ""}\n`,
        );
        const tag = /\((RPATH|RUNPATH)\)/;
        expect(tag.exec(readelf(to))?.[1]).toBe(tag.exec(readelf(path))?.[1]);
        return to;
      });
      rmSync(old, { recursive: true });
      const [movedLibrary = "", movedProgram = ""] = moved;
      expect(run("patchelf", "--print-interpreter", movedProgram)).toBe(`${longer}/lib/ld.so\n`);
      expect(run(movedProgram)).toBe("hello world 42\n");
      for (const path of moved) {
        run("strip", path);
        readelf(path);
      }
      expect(run(movedProgram)).toBe("hello world 42\n");

      // Once more, from there.
      const again = `${longer}-again`;
      mkdirSync(join(again, "lib"), { recursive: true });
      symlinkSync(run("gcc", "-print-file-name=ld-linux-x86-64.so.2").trim(), join(again, "lib/ld.so"));
      for (const path of [movedLibrary, movedProgram]) {
        const { bytes, problems } = relocateBinary(readFileSync(path), prefixMapOf([[longer, again]]));
        expect(problems).toEqual([]);
        const to = join(again, path.slice(longer.length));
        writeFileSync(to, bytes ?? "", { mode: 0o755 });
        readelf(to);
      }
      rmSync(longer, { recursive: true });
      expect(run(join(again, "say"))).toBe("hello world 42\n");
    },
  );

  test.each(["/s", "/the/same", "/a/much/longer/prefix"])(
    "%s leaves a symbol that shares the tail of an rpath",
    (to) => {
      const source = join(scratch, "tail.c");
      const library = join(scratch, "libtail.so");
      writeFileSync(source, "int ib(void) { return 1; }");
      run("gcc", "-shared", "-fPIC", "-Wl,-rpath,/old/same/x/lib", "-o", library, source);
      const { bytes, problems } = relocateBinary(readFileSync(library), prefixMapOf([["/old/same", to]]));
      expect(problems).toEqual([]);
      writeFileSync(library, bytes ?? "");
      expect(run("nm", "-D", "--defined-only", library)).toMatch(/ T ib$/m);
      expect(run("patchelf", "--print-rpath", library).trim().replace(/^\/+/, "/")).toBe(`${to}/x/lib`);
      expect(readelf(library)).toContain(" ib\n");
    },
  );
});
