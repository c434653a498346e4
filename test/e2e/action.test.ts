import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { packageTags } from "../../src/buildcache/oci-cache.js";
import { openTestClient } from "../support/client.js";
import { scratchDirectory } from "../support/fixtures.js";
import { writeLockfile } from "../support/lockfile.js";
import { type PushingMachine, pushingMachine } from "../support/push.js";
import { startRegistry, type TestRegistry } from "../support/registry.js";

const repositoryRoot = fileURLToPath(new URL("../..", import.meta.url));
const action = parse(readFileSync(join(repositoryRoot, "action.yml"), "utf8"));

const scratch = scratchDirectory();
let machine: PushingMachine;
let registry: TestRegistry;
const password = "open sesame";
beforeAll(async () => {
  machine = pushingMachine();
  registry = await startRegistry({ htpasswd: { ci: password }, anonymousPull: true });
});
afterAll(async () => {
  await registry.close();
  machine[Symbol.dispose]();
  scratch[Symbol.dispose]();
});

interface Step {
  readonly code: number | null;
  readonly log: string;
  readonly summary: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly variables: Readonly<Record<string, string>>;
  readonly state: Readonly<Record<string, string>>;
  readonly path: readonly string[];
}

interface Job {
  /** The step where the action stands, or the one after all others. */
  step(with_: Readonly<Record<string, string>>, more?: StepOptions): Promise<Step>;
  readonly home: string;
}

interface StepOptions {
  readonly state?: Readonly<Record<string, string>>;
  readonly event?: object;
  readonly env?: Readonly<Record<string, string>>;
}

/** Files of `NAME<<DELIMITER`, as the runner reads them. */
function assignmentsIn(file: string): Record<string, string> {
  const found: Record<string, string> = {};
  const text = readFileSync(file, "utf8");
  for (const [, name = "", , value = ""] of text.matchAll(/^([^\n]+?)<<(.+)\n([\s\S]*?)\n\2\n/gm))
    found[name] = value;
  return found;
}

let jobs = 0;
/** A machine of its own, with the variables that GitHub's runner sets for an action. */
function startJob(): Job {
  const folder = join(scratch.path, `job${jobs++}`);
  const home = join(folder, "home");
  for (const one of [folder, home, join(folder, "temp")]) mkdirSync(one);
  return {
    home,
    async step(with_, { state = {}, event = {}, env = {} } = {}) {
      const files = ["OUTPUT", "ENV", "STATE", "PATH", "STEP_SUMMARY", "EVENT_PATH"].map(
        (name) => [name, join(folder, name)] as const,
      );
      for (const [name, file] of files)
        writeFileSync(file, name === "EVENT_PATH" ? JSON.stringify(event) : "");
      const defaults = Object.entries<{ default?: string }>(action.inputs).map(
        ([name, { default: value = "" }]) => [name, value.includes("{{") ? "" : value],
      );
      const inputs = {
        ...Object.fromEntries(defaults),
        "job-status": "success",
        store: join(folder, "store"),
        ...with_,
      };
      const child = spawn(process.execPath, [join(repositoryRoot, action.runs.main)], {
        env: {
          PATH: process.env["PATH"] ?? "",
          HOME: home,
          SPACK_USER_CONFIG_PATH: join(home, "spack"),
          SPACK_SYSTEM_CONFIG_PATH: join(home, "system"),
          RUNNER_TEMP: join(folder, "temp"),
          GITHUB_ACTOR: "octocat",
          ...Object.fromEntries(files.map(([name, file]) => [`GITHUB_${name}`, file])),
          ...Object.fromEntries(
            Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, String(value)]),
          ),
          ...Object.fromEntries(Object.entries(state).map(([name, value]) => [`STATE_${name}`, value])),
          ...env,
        },
        cwd: folder,
        stdio: ["ignore", "pipe", "pipe"],
      });
      let log = "";
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", (text: string) => {
          log += text;
        });
      const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
      const read = (name: string) => join(folder, name);
      return {
        code,
        log,
        summary: readFileSync(read("STEP_SUMMARY"), "utf8"),
        outputs: assignmentsIn(read("OUTPUT")),
        variables: assignmentsIn(read("ENV")),
        state: assignmentsIn(read("STATE")),
        path: readFileSync(read("PATH"), "utf8")
          .split("\n")
          .filter((line) => line !== ""),
      };
    },
  };
}

const mirror = (name: string): string => `oci+http://${registry.host}/org/${name}`;
const login = { username: "ci", password };
const tagsOf = async (name: string): Promise<number> => {
  await using client = openTestClient(registry.url);
  return (await packageTags(client.open(`org/${name}`))).size;
};

/** Fills a cache with greet and what it needs to run: 6 packages. */
const fill = (name: string): Promise<unknown> =>
  machine.push(mirror(name), {
    specs: ["greet"],
    updateIndex: true,
    logins: [{ registry: `oci+http://${registry.host}`, ...login }],
  });

describe("the action, as GitHub's runner runs it", () => {
  test("restores what is there, loads it, and has nothing to push", async () => {
    await fill("hit");
    const job = startJob();
    const main = await job.step({ mirror: mirror("hit"), specs: "greet", load: "true", ...login });
    expect(main).toMatchObject({ code: 0, outputs: { hit: "true", hits: "6", misses: "0", missing: "" } });
    expect(main.log).toContain(`::add-mask::${password}\n`);
    expect(main.log).toContain("6 packages restored (");
    expect(Object.keys(JSON.parse(main.outputs["restored"] ?? ""))).toHaveLength(6);
    const [command, greet] = [
      main.path[0] ?? "",
      main.path.find((path) => path.includes("greet-2.1.0")) ?? "",
    ];
    expect(existsSync(join(greet, "greet"))).toBe(true);
    expect(main.variables["CMAKE_PREFIX_PATH"]).toContain("greet-2.1.0");
    expect(existsSync(join(command, "stowage"))).toBe(true);

    const post = await job.step({ mirror: mirror("hit"), ...login }, { state: main.state });
    expect(post.code).toBe(0);
    expect(post.log).toContain("0 packages pushed (0 B), 6 there already");
    expect(post.summary).toContain("| restored | 6 |");
    expect(post.summary).toContain("| pushed | 0 |");
    expect(post.summary + main.log.replace(`::add-mask::${password}`, "")).not.toContain(password);
  });

  test("a first job misses everything, builds, and pushes what it built; the next one hits", async () => {
    const job = startJob();
    const [main, elsewhere] = await Promise.all([
      job.step({ mirror: mirror("miss"), specs: "greet\nno-such@1", ...login }),
      fill("built"),
    ]);
    expect(main).toMatchObject({
      code: 0,
      outputs: { hit: "false", hits: "0", misses: "2", missing: "greet\nno-such@1" },
    });
    expect(elsewhere).toBeDefined();
    // The build: what another cache has, into the job's store.
    const build = await job.step({ mirror: mirror("built"), specs: "greet", ...login });
    expect(build.outputs["hits"]).toBe("6");

    const post = await job.step({ mirror: mirror("miss"), ...login }, { state: main.state });
    expect(post.code).toBe(0);
    expect(Object.values(JSON.parse(post.outputs["digests"] ?? ""))).toHaveLength(6);
    expect(post.summary).toContain("| missing | 2 |");
    expect(post.summary).toContain("- `no-such@1`");
    expect(post.summary).toMatch(/- `greet-2\.1\.0-\w{32}\.spack` `sha256:\w{64}`/);
    const again = await startJob().step({ mirror: mirror("miss"), specs: "greet", ...login });
    expect(again.outputs).toMatchObject({ hit: "true", hits: "6" });
  });

  test("of a lockfile what is there is restored, and what must be built is told", async () => {
    await fill("locked");
    await using client = openTestClient(registry.url, { login });
    const repository = client.open("org/locked");
    const lockfile = await writeLockfile(join(scratch.path, "locked"), { repository, name: "greet" });
    const tags = [...(await packageTags(repository)).values()];
    const own = startJob();
    const environment = join(own.home, "../spack");
    cpSync(join(lockfile, ".."), environment, { recursive: true });
    writeFileSync(join(environment, "spack.yaml"), "spack:\n  specs: [greet]\n");
    const named = await own.step({ mirror: mirror("locked"), environment: "spack" });
    expect(named.outputs).toMatchObject({ hit: "true", hits: "6" });
    const libgreet = tags.find((tag) => tag.startsWith("libgreet-"));
    if (libgreet === undefined) throw new Error("libgreet is not there");
    const whole = await startJob().step({ mirror: mirror("locked"), lockfile });
    expect(whole.outputs).toMatchObject({ hit: "true", hits: "6" });

    await repository.manifests.delete(libgreet);
    const part = await startJob().step({ mirror: mirror("locked"), lockfile });
    expect(part).toMatchObject({ code: 0, outputs: { hit: "false", hits: "4" } });
    expect(part.outputs["missing"]).toMatch(/^greet@2\.1\.0\/\w{32}\nlibgreet@1\.4\.2\/\w{32}$/m);
  });

  test("what comes from a fork, or from a job that failed, is not pushed", async () => {
    await fill("fork");
    const job = startJob();
    const main = await job.step({ mirror: mirror("fork"), specs: "greet" });
    const base = { full_name: "org/project" };
    const cases: readonly (readonly [object, Record<string, string>, string])[] = [
      [
        { repository: base, pull_request: { head: { repo: { full_name: "stranger/project" } } } },
        {},
        "from a fork",
      ],
      [{ repository: base, pull_request: { head: { repo: null } } }, {}, "from a fork"],
      [
        { repository: base, workflow_run: { head_repository: { full_name: "stranger/project" } } },
        {},
        "from a fork",
      ],
      [{}, { "job-status": "failure" }, "did not succeed (failure)"],
      [{}, { "job-status": "failure", push: "never" }, "says never"],
    ];
    for (const [event, inputs, why] of cases) {
      const post = await job.step(
        { mirror: mirror("none"), ...login, ...inputs },
        { state: main.state, event },
      );
      expect(post.code).toBe(0);
      expect(post.log).toContain(why);
      expect(post.summary.replaceAll("\\", "")).toContain(`Nothing was pushed: `);
    }
    expect(await tagsOf("none")).toBe(0);

    const own = { repository: base, pull_request: { head: { repo: base } } };
    const inputs = { mirror: mirror("none"), ...login, push: "always", "job-status": "failure" };
    expect((await job.step(inputs, { state: main.state, event: own })).code).toBe(0);
    expect(await tagsOf("none")).toBe(6);
  });

  test("a registry that fails costs a warning, and the job only where that is asked for", async () => {
    await using broken = await startRegistry({ htpasswd: { ci: "other" } });
    const url = `oci+http://${broken.host}/org/cache`;
    const job = startJob();
    const main = await job.step({ mirror: url, specs: "greet", ...login });
    expect(main).toMatchObject({ code: 0, outputs: { hit: "false", hits: "0" } });
    expect(main.log).toMatch(/^::warning::.*401/m);
    expect(main.log).not.toContain("bug in stowage");
    const strict = await job.step({ mirror: url, specs: "greet", ...login, "fail-on-error": "true" });
    expect(strict.code).toBe(1);
    expect(strict.log).toMatch(/^::error::.*401/m);
    const post = await job.step({ mirror: url, ...login }, { state: main.state });
    expect(post.code).toBe(0);
  });

  test("inputs that mean nothing fail the job, and leave nothing for its end", async () => {
    const job = startJob();
    for (const [inputs, what] of [
      [{ mirror: "" }, "the input mirror is missing"],
      [{ mirror: mirror("x"), push: "sometimes" }, 'the input push is "sometimes"'],
      [{ mirror: mirror("x"), load: "yes" }, 'the input load is "yes"'],
      [{ mirror: mirror("x"), username: "ci" }, "the input password is missing"],
    ] as const) {
      const main = await job.step(inputs);
      expect(main.code).toBe(1);
      expect(main.log).toContain(`::error::${what}`);
      expect(await job.step(inputs, { state: main.state })).toMatchObject({ code: 0, summary: "" });
    }
  });
});
