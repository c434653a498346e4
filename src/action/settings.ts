import { resolve } from "node:path";
import type { StowageOptions } from "../app/context.js";
import { listMirrors } from "../app/mirror.js";
import { Failure } from "../base/failure.js";
import type { Runner } from "./runner.js";

/** The inputs of action.yml. */
export interface Settings {
  readonly mirror: string;
  readonly specs: readonly string[];
  readonly lockfile: string | undefined;
  readonly push: "success" | "always" | "never";
  readonly baseImage: string | undefined;
  readonly tag: string | undefined;
  readonly withBuildDependencies: boolean;
  readonly private: boolean;
  /** Put what was restored on the paths of the steps that follow. */
  readonly load: boolean;
  readonly locks: boolean;
  /** Where the cache cannot be used, the job fails; else it goes on without. */
  readonly failOnError: boolean;
  /** `success`, `failure` or `cancelled`: in the last step, of all steps before. */
  readonly jobStatus: string;
  /** For the verbs: where the store and the logins are. */
  readonly options: StowageOptions;
}

/** @throws Failure `action.input-invalid`, `config.*` */
export async function readSettings(runner: Runner): Promise<Settings> {
  const mirror = runner.input("mirror");
  if (mirror === undefined) throw invalid("mirror", "is missing", "Give it a URL: oci://ghcr.io/OWNER/NAME.");
  const push = runner.input("push") ?? "success";
  if (push !== "success" && push !== "always" && push !== "never")
    throw invalid("push", `is "${push}"`, "It is success, always or never.");
  const specs = (runner.input("specs") ?? "").split("\n").map((line) => line.trim());
  return {
    mirror,
    specs: specs.filter((line) => line !== ""),
    lockfile: runner.input("lockfile"),
    push,
    baseImage: runner.input("base-image"),
    tag: runner.input("tag"),
    withBuildDependencies: flag(runner, "with-build-dependencies", true),
    private: flag(runner, "private", false),
    load: flag(runner, "load", false),
    locks: flag(runner, "locks", true),
    failOnError: flag(runner, "fail-on-error", false),
    jobStatus: runner.input("job-status") ?? "success",
    options: await withLogin(mirror, runner),
  };
}

/** What YAML 1.2's core schema calls booleans, as GitHub's own actions do. */
function flag(runner: Runner, name: string, otherwise: boolean): boolean {
  const text = runner.input(name);
  if (text === undefined) return otherwise;
  if (/^(true|True|TRUE)$/.test(text)) return true;
  if (/^(false|False|FALSE)$/.test(text)) return false;
  throw invalid(name, `is "${text}"`, "It is true or false.");
}

/**
 * The job's token is the login for GitHub's own registry, where nothing else is; a user name and a password are the
 * login for the mirror's. Both stay in the memory of this process.
 */
async function withLogin(mirror: string, runner: Runner): Promise<StowageOptions> {
  const [token, username, password] = ["token", "username", "password"].map((name) => runner.input(name));
  for (const secret of [token, password]) if (secret !== undefined) runner.mask(secret);
  const environment = runner.input("environment");
  const options: StowageOptions = {
    store: runner.input("store"),
    // A folder, where `--env` would take a word for a name.
    environment: environment && resolve(environment),
    env: token === undefined ? runner.env : { ...runner.env, GITHUB_TOKEN: token },
  };
  if (username === undefined && password === undefined) return options;
  if (username === undefined || password === undefined)
    throw invalid(username === undefined ? "username" : "password", "is missing", "A login has both.");
  runner.mask(Buffer.from(`${username}:${password}`).toString("base64"));
  const known = (await listMirrors(options)).find(({ name }) => name === mirror);
  const url = known?.push?.url ?? known?.fetch?.url ?? mirror;
  const registry = /^oci(?:\+http)?:\/\/([^/]+)/i.exec(url)?.[1];
  if (registry === undefined)
    throw invalid("password", `is for a registry, and ${url} is none`, "Leave out username and password.");
  return { ...options, logins: [{ registry, username, password }] };
}

const invalid = (name: string, found: string, hint: string): Failure =>
  new Failure("usage", `the input ${name} ${found}`, { code: "action.input-invalid", subject: name, hint });
