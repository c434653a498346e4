import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commands } from "../../src/cli/commands.js";
import { spackRoot, unpackStore } from "../support/fixtures.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = join(root, "dist/cli/stowage.js");
const scratch = mkdtempSync(join(tmpdir(), "stowage-cli-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Runs the built command in a home of its own, as a script would. */
function stowage(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const run = spawnSync(process.execPath, [program, ...args], {
    encoding: "utf8",
    cwd: scratch,
    env: { PATH: "/usr/bin:/bin", HOME: scratch, SPACK_SYSTEM_CONFIG_PATH: join(scratch, "system"), ...env },
  });
  return { code: run.status, out: run.stdout, err: run.stderr };
}

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

describe("help", () => {
  test("the version is the package's, first or last", () => {
    expect(stowage(["--version"])).toEqual({ code: 0, out: `${version}\n`, err: "" });
    for (const words of [
      ["--json", "-V"],
      ["--version", "--json"],
    ])
      expect(JSON.parse(stowage(words).out)).toEqual({ schema: "stowage.version/1", version });
  });

  test("the program's help names every command or its group, and every global option", () => {
    const { code, out } = stowage(["--help"]);
    expect(code).toBe(0);
    for (const { path } of commands) expect(out).toContain(`  ${path[0]} `);
    for (const option of ["--store", "--config", "--scope", "--json", "--quiet", "--color", "--verbose"])
      expect(out).toContain(option);
  });

  test.each(commands.map(({ path, summary }) => [path.join(" "), summary] as const))(
    "%s --help says what it does, with examples",
    (path, summary) => {
      const { code, out } = stowage([...path.split(" "), "--help"]);
      expect(code).toBe(0);
      expect(out).toContain(`Usage: stowage ${path}`);
      expect(out).toContain(summary);
      expect(out).toMatch(/Examples:\n {2}stowage /);
    },
  );

  test("`help COMMAND` is `COMMAND --help`", () => {
    expect(stowage(["help", "mirror", "add"])).toEqual(stowage(["mirror", "add", "--help"]));
  });
});

describe("errors", () => {
  test.each<[string, readonly string[], number, string]>([
    ["no command", [], 2, "error: a command is missing"],
    ["an unknown command, with a guess", ["fnd"], 2, "hint: Did you mean find?"],
    ["an unknown option, with a guess", ["find", "--varians"], 2, "hint: Did you mean --variants?"],
    ["an unknown subcommand, with a guess", ["mirror", "lst"], 2, "hint: Did you mean one of list, ls?"],
    ["a missing argument", ["mirror", "add", "x"], 2, "error: missing required argument 'url'"],
    ["too many arguments", ["mirror", "list", "x"], 2, "error: too many arguments"],
    [
      "a wrong choice among several",
      ["mirror", "set", "x", "--type", "y"],
      2,
      "Allowed choices are binary, source",
    ],
    ["a wrong choice", ["find", "--color", "blue"], 2, "Allowed choices are auto, always, never"],
    ["a store that is not there", ["find", "--store", "/nowhere"], 3, "there is no store at /nowhere"],
    ["a mirror that is not there", ["mirror", "rm", "x"], 3, "there is no mirror named x"],
    ["an unknown scope", ["mirror", "ls", "--scope", "usr"], 2, "Did you mean user?"],
    [
      "a secret in an argument",
      ["mirror", "add", "a", "oci://x/y", "--oci-password", "p"],
      2,
      "a password in a command can be read",
    ],
  ])("%s", (_, args, code, says) => {
    const run = stowage(args);
    expect(run.err).toContain(says);
    expect(run).toMatchObject({ code, out: "" });
  });

  test("--json prints one document with the failure on stdout, wherever it stands", () => {
    for (const args of [
      ["--json", "find", "--store", "/nowhere"],
      ["find", "--store=/nowhere", "--json"],
    ]) {
      const { code, out, err } = stowage(args);
      expect({ code, err }).toEqual({ code: 3, err: "" });
      expect(JSON.parse(out)).toMatchObject({
        schema: "stowage.error/1",
        error: { code: "store.missing", kind: "not-found", subject: "/nowhere" },
      });
    }
    expect(JSON.parse(stowage(["fnd", "--json"]).out)).toMatchObject({ error: { code: "cli.usage" } });
  });

  test("-v tells the causes", () => {
    mkdirSync(join(scratch, "unreadable/mirrors.yaml"), { recursive: true });
    const args = ["mirror", "list", "-C", "unreadable"];
    expect(stowage(args).err).not.toContain("caused by");
    expect(stowage([...args, "-v"]).err).toContain("caused by: Error: EISDIR");
  });

  test("a damaged configuration is named with its line", () => {
    mkdirSync(join(scratch, "damaged"), { recursive: true });
    writeFileSync(join(scratch, "damaged/mirrors.yaml"), "mirrors:\n  a:\n    ulr: x\n");
    const { code, err } = stowage(["mirror", "list", "-C", "damaged"]);
    expect(code).toBe(2);
    expect(err).toContain(
      `${join(scratch, "damaged/mirrors.yaml")}:3: mirrors:a:ulr is not a key of a mirror`,
    );
    expect(err).toContain("Did you mean url?");
  });
});

describe("output", () => {
  test("colours are off in pipes, and decided by --color, NO_COLOR and FORCE_COLOR", () => {
    const sequence = "\u001b[";
    const failing = ["find", "--store", "/nowhere"];
    expect(stowage(failing).err).not.toContain(sequence);
    expect(stowage([...failing, "--color=always"]).err).toContain(sequence);
    expect(stowage(failing, { FORCE_COLOR: "1" }).err).toContain(sequence);
    expect(stowage(failing, { FORCE_COLOR: "1", NO_COLOR: "1" }).err).not.toContain(sequence);
    expect(stowage([...failing, "--color", "never"], { FORCE_COLOR: "1" }).err).not.toContain(sequence);
  });

  test("a reader that goes away is no error", async () => {
    const child = spawn(process.execPath, [program, "mirror", "add", "--help"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.destroy();
    let err = "";
    child.stderr.on("data", (chunk) => {
      err += chunk;
    });
    await new Promise((resolve) => child.on("close", resolve));
    expect(err).toBe("");
  });
});

describe("mirrors", () => {
  const user = join(scratch, "user");
  const env = { SPACK_USER_CONFIG_PATH: user };
  const file = (): string => readFileSync(join(user, "mirrors.yaml"), "utf8");

  test("add, set, set-url, list and remove keep the file's own words", () => {
    mkdirSync(user, { recursive: true });
    const before = "# mine\nmirrors:\n  old: file:///old  # keep\n";
    writeFileSync(join(user, "mirrors.yaml"), before);
    expect(stowage(["mirror", "add", "new", "oci://ghcr.io/me/cache"], env).code).toBe(0);
    expect(file()).toBe("# mine\nmirrors:\n  new: oci://ghcr.io/me/cache\n  old: file:///old  # keep\n");

    stowage(
      ["mirror", "set", "new", "--unsigned", "--oci-username", "me", "--oci-password-variable", "PW"],
      env,
    );
    stowage(["mirror", "set", "new", "--push", "--include-binary", "zlib", "--name", "v"], env);
    stowage(["mirror", "set-url", "--fetch", "old", "./here"], env);
    expect(file()).toBe(`# mine
mirrors:
  new:
    url: oci://ghcr.io/me/cache
    access_pair:
      id: me
      secret_variable: PW
    signed: false
    push:
      view: v
      include_binary:
      - zlib
  old:  # keep
    url: file:///old
    fetch: ${join(scratch, "here")}
`);
    const { out } = stowage(["mirror", "list", "--json"], env);
    const { schema, mirrors } = JSON.parse(out);
    expect(schema).toBe("stowage.mirror-list/1");
    expect(mirrors).toMatchObject([
      {
        name: "new",
        signed: false,
        fetch: { url: "oci://ghcr.io/me/cache", access: { id: "me", secretVariable: "PW" }, include: [] },
        push: { url: "oci://ghcr.io/me/cache", view: "v", include: ["zlib"] },
        origin: { scope: "user", line: 3 },
      },
      {
        name: "old",
        signed: true,
        fetch: { url: `file://${join(scratch, "here")}` },
        push: { url: "file:///old" },
      },
    ]);

    stowage(["mirror", "set", "new", "--signed", "--unset", "view", "--type", "binary"], env);
    expect(file()).toContain("    signed: true\n");
    expect(file()).toContain("    binary: true\n    source: false\n");
    expect(stowage(["mirror", "rm", "new"], env).code).toBe(0);
    expect(stowage(["mirror", "rm", "old"], env).code).toBe(0);
    expect(file()).toContain("mirrors: {}\n");
    expect(stowage(["mirror", "list"], env)).toEqual({ code: 0, out: "", err: "No mirrors configured.\n" });
  });

  test("a name taken is a conflict; a scope of the command line is only read", () => {
    mkdirSync(join(scratch, "given"), { recursive: true });
    writeFileSync(join(scratch, "given/mirrors.yaml"), "mirrors:\n  given: file:///g\n");
    stowage(["mirror", "add", "taken", "/x"], env);
    expect(stowage(["mirror", "add", "taken", "/y"], env)).toMatchObject({ code: 7 });
    const removal = stowage(["-C", "given", "mirror", "remove", "given"], env);
    expect(removal.err).toContain("is only read");
    expect(removal.code).toBe(2);
  });

  test("config blame names the file and line of each value", () => {
    mkdirSync(join(scratch, "blamed"), { recursive: true });
    writeFileSync(join(scratch, "blamed/mirrors.yaml"), "mirrors:\n  a: {url: file:///a, signed: false}\n");
    const { out } = stowage(["-C", "blamed", "config", "blame", "mirrors"]);
    expect(out).toContain(`${join(scratch, "blamed/mirrors.yaml")}:2    a:\n`);
    const shown = JSON.parse(stowage(["-C", "blamed", "config", "get", "mirrors", "--json"]).out);
    expect(shown).toEqual({
      schema: "stowage.config-get/1",
      section: "mirrors",
      value: { a: { url: "file:///a", signed: false } },
    });
  });

  test("secrets of old configuration files are not shown", () => {
    mkdirSync(join(scratch, "old"), { recursive: true });
    writeFileSync(
      join(scratch, "old/mirrors.yaml"),
      "mirrors:\n  a: {url: 's3://b', access_pair: [me, hunter2], access_token: hunter2}\n",
    );
    for (const args of [
      ["mirror", "list"],
      ["mirror", "list", "--json"],
      ["config", "get", "mirrors"],
      ["config", "get", "mirrors", "--json"],
      ["config", "blame", "mirrors"],
      ["config", "blame", "mirrors", "--json"],
    ]) {
      const { code, out, err } = stowage(["-C", "old", ...args]);
      expect(code).toBe(0);
      expect(out + err).not.toContain("hunter2");
    }
  });
});

describe("completion", () => {
  const complete = (...words: readonly string[]): readonly string[] =>
    stowage(["__complete", ...words], { SPACK_USER_CONFIG_PATH: join(scratch, "completed") })
      .out.trimEnd()
      .split("\n")
      .map((line) => line.split("\t")[0] ?? "");

  test("commands, options, values and mirrors complete; what is a file is left to the shell", () => {
    mkdirSync(join(scratch, "completed"), { recursive: true });
    writeFileSync(
      join(scratch, "completed/mirrors.yaml"),
      "mirrors:\n  main: file:///m\n  mine: file:///n\n",
    );
    expect(complete("mir")).toEqual(["mirror"]);
    expect(complete("mirror", "se")).toEqual(["set", "set-url"]);
    expect(complete("--json", "mirror", "rm", "m")).toEqual(["main", "mine"]);
    expect(complete("mirror", "rm", "--scope", "user", "mai")).toEqual(["main"]);
    expect(complete("find", "--color", "a")).toEqual(["auto", "always"]);
    expect(complete("find", "--very")).toEqual(["--very-long"]);
    expect(complete("find", "--sto")).toEqual(["--store"]);
    expect(complete("mirror", "add", "--oci-password-")).toEqual(["--oci-password-variable"]);
    expect(complete("find", "--store", "/")).toEqual([""]);
    expect(complete("buildcache", "keys", "mi")).toEqual(["mine"]);
    expect(complete("attest", "")).toEqual(["verify", "main", "mine"]);
    expect(complete("attest", "main", "ver")).toEqual([""]);
  });

  test("installed packages complete by name and by hash, of the store in question", () => {
    unpackStore(scratch);
    const store = join(scratch, spackRoot);
    expect(complete("--store", store, "find", "zlib", "gre")).toEqual(["greet", "greet-data"]);
    expect(complete("location", `--store=${store}`, "/fnj")).toEqual(["/fnjwovnnel7zse6f4ljr3y6budjlpyrd"]);
    expect(complete("find", "--store", "/nowhere", "gre")).toEqual([""]);
    expect(complete("install", "--mirror", "mai")).toEqual(["main"]);
  });

  test("bash completes with the script it is given", () => {
    const { out } = stowage(["completion", "bash"]);
    const script = `stowage() { "${process.execPath}" "${program}" "$@"; }\n${out}
COMP_WORDS=(stowage mirror se); COMP_CWORD=2; _stowage; echo "\${COMPREPLY[*]}"`;
    const run = spawnSync("bash", ["-c", script], {
      encoding: "utf8",
      env: { HOME: scratch, PATH: "/usr/bin:/bin" },
    });
    expect(run.stdout).toBe("set set-url\n");
  });
});

interface FindAnswer {
  readonly arguments: readonly string[];
  readonly stdout: string;
}
const answers: readonly FindAnswer[] = JSON.parse(
  readFileSync(join(root, "test/fixtures/spack-find/answers.json"), "utf8"),
);

describe("find prints what spack find prints", () => {
  const store = join(scratch, "opt/spack-fixture/opt/spack");
  beforeAll(() => {
    const archive = join(root, "test/fixtures/store-1.3.tar.gz");
    spawnSync("tar", ["xzf", archive, "-C", scratch, "--wildcards", "*/.spack-db/*"]);
  });

  test.each(answers.map((answer) => [answer.arguments.join(" "), answer] as const))(
    "find %s",
    (_, answer) => {
      const { code, out } = stowage(["find", "--store", store, ...answer.arguments]);
      expect(out).toBe(answer.stdout);
      expect(code).toBe(answer.stdout === "" ? 3 : 0);
    },
  );
});
