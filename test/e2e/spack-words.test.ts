import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CliOptions, type CliResult, stowage } from "../support/cli.js";
import { spackRoot } from "../support/fixtures.js";
import { type PushingMachine, pushingMachine } from "../support/push.js";
import { startRegistry, type TestRegistry } from "../support/registry.js";

let machine: PushingMachine;
let open: TestRegistry;
let closed: TestRegistry;
beforeAll(async () => {
  machine = pushingMachine();
  [open, closed] = await Promise.all([startRegistry(), startRegistry({ htpasswd: { ci: "open sesame" } })]);
});
afterAll(async () => {
  await Promise.all([open.close(), closed.close()]);
  machine[Symbol.dispose]();
});
const run = (args: readonly string[], options: Partial<CliOptions> = {}): Promise<CliResult> =>
  stowage(args, { home: machine.home, ...options });
const mirrorsFile = (): string => readFileSync(join(machine.home, "spack/mirrors.yaml"), "utf8");

describe("a password for a mirror", () => {
  test("is read from standard input, tried, and kept where docker keeps it", async () => {
    const url = `oci+http://${closed.host}/org/cache`;
    const add = ["mirror", "add", "--oci-username", "ci", "--oci-password", "-", "closed", url];
    const wrong = await run(add, { input: "sesame\n" });
    expect(wrong).toMatchObject({ code: 4 });
    expect((await run(["mirror", "list", "--json"])).json()).toMatchObject({ mirrors: [] });

    const right = await run(add, { input: "open sesame\n" });
    expect(right).toMatchObject({ code: 0, stderr: "" });
    expect(right.stdout).toMatch(
      /^logged in to 127.*as ci; kept in .*config\.json\n[\s\S]*added mirror closed/,
    );
    expect(mirrorsFile()).toBe(`mirrors:\n  closed: ${url}\n`);
    expect((await run(["auth", "check", "closed", "--json"])).json()).toMatchObject({
      login: { username: "ci" },
      push: { allowed: true },
    });
    const again = await run(["mirror", "set", "--oci-username", "ci", "--oci-password", "-", "closed"], {
      input: "open sesame",
    });
    expect(again.stdout).toMatch(/logged in .*\n[\s\S]*is like that already/);
  });

  test("is refused where it would be seen, or where nobody asks for one", async () => {
    const args = ["mirror", "set", "closed", "--oci-username", "ci", "--oci-password"];
    expect(await run([...args, "open sesame"])).toMatchObject({ code: 2, stdout: "" });
    for (const more of [
      ["--oci-password-variable", "PW"],
      ["--url", "file:///x"],
    ])
      expect((await run([...args, "-", ...more], { input: "x" })).stderr).toContain("nothing to log in to");
    await run(["mirror", "remove", "closed"]);
  });
});

describe("autopush", () => {
  const push = ["buildcache", "autopush", "--store", spackRoot, "--json"];

  test("without such a mirror there is nothing to do, and that is said", async () => {
    await run(["mirror", "add", "plain", `oci+http://${open.host}/plain`]);
    const none = await run(["buildcache", "autopush"]);
    expect(none).toMatchObject({ code: 0, stdout: "" });
    expect(none.stderr).toContain("No mirror has autopush set");
  });

  test("pushes to each that has it set, whatever becomes of the others", async () => {
    await run(["mirror", "add", "--autopush", "second", `oci+http://${open.host}/second`]);
    await run(["mirror", "add", "--autopush", "first", `oci+http://${closed.host}/first`]);
    await run(["logout", closed.host]);
    const pushed = await run([...push, "--sysroot", machine.locate("/"), "zlib"]);
    expect(pushed.code).toBe(1);
    expect(pushed.json()).toMatchObject({
      mirrors: [
        { mirror: "first", pushed: [], failure: { kind: "denied" } },
        { mirror: "second", pushed: [{ name: expect.any(String) }, { name: expect.any(String) }] },
      ],
    });
    expect(open.requests.some(({ path }) => path.startsWith("/v2/plain"))).toBe(false);
    const unknown = await run([...push, "--sysroot", machine.locate("/"), "no-such"]);
    expect(unknown.json()).toMatchObject({ error: { code: "spec.no-match" } });
  });
});

test("buildcache install takes Spack's words", async () => {
  for (const name of ["first", "second"]) await run(["mirror", "remove", name]);
  await machine.push(`oci+http://${open.host}/plain`, { specs: ["greet"], updateIndex: true });
  const args = ["buildcache", "install", "--store", join(machine.path, "installed"), "--json"];
  const installed = await run([...args, "-o", "-u", "zlib"]);
  expect(installed.json()).toMatchObject({ installed: [{ name: "gcc-runtime" }, { name: "zlib" }] });
  expect((await run([...args, "-f", "zlib"])).json()).toMatchObject({ installed: [{ name: "zlib" }] });
  expect(await run([...args, "-m", "zlib"])).toMatchObject({ code: 8 });
});

test("what is left to Spack says so, with any of its options", async () => {
  const create = await run(["mirror", "create", "-d", "/x", "--all", "zlib"]);
  expect(create).toMatchObject({ code: 8, stdout: "" });
  expect(create.stderr).toContain("Run `spack mirror create`");
  expect((await run(["mirror", "destroy", "--mirror-name", "x"])).code).toBe(8);
  expect((await run(["mirror", "-n", "list"])).code).toBe(0);
});

test("a mirror at what no mirror can be at is refused by its name", async () => {
  const { code, stderr } = await run(["mirror", "add", "g", "gopher://x"]);
  expect(code).toBe(2);
  expect(stderr).toContain('error: mirror g: "gopher://x" has a scheme that no mirror can have');
});
