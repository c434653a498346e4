import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CliOptions, type CliResult, stowage } from "../support/cli.js";
import { scratchDirectory, spackRoot, unpackStore } from "../support/fixtures.js";
import { startRegistry, type TestRegistry } from "../support/registry.js";

const scratch = scratchDirectory();
const home = join(scratch.path, "home");
const sysroot = join(scratch.path, "machine");
const store = join(scratch.path, "installed");
let registry: TestRegistry;
let release = (): void => {};
/** Requests for `slow/…` wait for this. */
const released = new Promise<void>((resolve) => {
  release = resolve;
});
const run = (args: readonly string[], options: Partial<CliOptions> = {}): Promise<CliResult> =>
  stowage(args, { home, ...options });

beforeAll(async () => {
  registry = await startRegistry({
    wrap: (handler) => async (request) => {
      if (request.path.includes("/slow/")) await released;
      return handler(request);
    },
  });
  spawnSync("mkdir", ["-p", home, sysroot]);
  unpackStore(sysroot);
  await run(["mirror", "add", "cache", `oci+http://${registry.host}/me/cache`]);
});
afterAll(async () => {
  release();
  await registry.close();
  scratch[Symbol.dispose]();
});

// One test follows the other, as commands do.
describe("a store goes into a registry and out of it", () => {
  test("nothing is there yet: said with what to do", async () => {
    const listed = await run(["buildcache", "list", "--json"]);
    expect(listed.code).toBe(3);
    expect(listed.json()).toMatchObject({ error: { code: "buildcache.index-missing" } });
  });

  test("push tells each package on stdout and its progress on stderr", async () => {
    const pushed = await run([
      "--store",
      spackRoot,
      "buildcache",
      "push",
      "--sysroot",
      sysroot,
      "cache",
      "greet",
    ]);
    expect(pushed.stderr).toContain("6 tasks to do");
    expect(pushed.stdout).toContain("pushed greet@2.1.0/fnjwovn, ");
    expect(pushed.stdout).toContain("6 packages pushed (");
    expect(pushed.code).toBe(0);
  });

  test("pushed again nothing is sent, and --json is one document", async () => {
    const push = [
      "buildcache",
      "push",
      "--store",
      spackRoot,
      "--sysroot",
      sysroot,
      "cache",
      "--update-index",
    ];
    const again = await run([...push, "--json"]);
    expect(again.json()).toMatchObject({
      schema: "stowage.buildcache-push/1",
      mirror: "cache",
      pushed: [],
      failed: [],
      index: { packages: 6, written: true },
    });
    expect(again.stderr).toBe("");
  });

  test("list shows them in Spack's groups, and what matches", async () => {
    const { stdout } = await run(["buildcache", "list", "-l"]);
    expect(stdout).toContain(
      "-- linux-debian12-x86_64 / %c=gcc@12.2.0 ------------------------\n5xfxwrg bzip2@1.0.8\n",
    );
    const some = await run(["buildcache", "list", "--json", "^zlib@1.2:"]);
    const { packages } = some.json();
    expect(packages).toMatchObject([{ mirrors: ["cache"] }, { mirrors: ["cache"] }]);
    const none = await run(["buildcache", "list", "hdf5"]);
    expect(none).toMatchObject({ code: 3, stdout: "" });
  });

  test("a dry run of install changes nothing", async () => {
    const dry = await run(["install", "--store", store, "--dry-run", "greet"]);
    expect(dry.stdout).toMatch(/ - \s+greet@2\.1\.0\/fnjwovn/);
    expect(dry.code).toBe(0);
    expect((await run(["find", "--store", store])).code).toBe(3);
  });

  test("install puts them elsewhere, and what is installed runs", async () => {
    const installed = await run(["install", "--store", store, "greet"]);
    expect(installed.stdout).toContain("6 packages installed, 0 there already");
    expect(installed.code).toBe(0);
    const found = await run(["find", "--store", store, "-p", "--explicit"]);
    const prefix = /greet@2\.1\.0 +(\S+)/.exec(found.stdout)?.[1] ?? "";
    expect(prefix.startsWith(store)).toBe(true);
    const greeting = spawnSync(join(prefix, "bin/greet"), ["--where"], { encoding: "utf8" });
    // The path itself, or one that leads there where it had no room.
    expect(greeting).toMatchObject({ status: 0, stdout: expect.stringContaining(store) });
  });

  test("a mirror may be a URL; what fails is told with its kind", async () => {
    const listed = await run(["buildcache", "list", "-m", `oci+http://${registry.host}/me/cache`, "zlib"]);
    expect(listed.stdout).toContain("zlib@1.2.13");
    const unknown = await run(["install", "--store", store, "-m", "cahce", "greet"]);
    expect(unknown.stderr).toContain("Did you mean cache?");
    expect(unknown.code).toBe(3);
    const refused = await run(["buildcache", "push", "--signed", "cache", "greet"]);
    expect(refused).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("nothing to sign with"),
    });
    const gone = await run(["buildcache", "list", "-m", "oci+http://127.0.0.1:1/x"]);
    expect(gone.code).toBe(5);
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s ends what is under way, with exit code 130",
    async (signal) => {
      const seen = registry.requests.length;
      const listed = await run(["buildcache", "list", "-m", `oci+http://${registry.host}/slow/cache`], {
        started: async (kill) => {
          while (registry.requests.length === seen) await new Promise((resolve) => setTimeout(resolve, 20));
          kill(signal);
        },
      });
      expect(listed).toMatchObject({ code: 130, stdout: "" });
      expect(listed.stderr).toContain("interrupted");
    },
  );
});
