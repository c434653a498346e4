import { isObject, type JsonObject } from "../base/decode.js";
import type { Runner } from "./runner.js";
import type { Settings } from "./settings.js";

/** Why this job pushes nothing; undefined: it does. */
export function whyNotPush(settings: Settings, runner: Runner): string | undefined {
  if (settings.push === "never") return "the input push says never";
  if (settings.push === "success" && settings.jobStatus !== "success")
    return `the job did not succeed (${settings.jobStatus})`;
  if (isFromFork(runner.event())) return "the job builds what comes from a fork";
  if (runner.env["GITHUB_ACTOR"] === "dependabot[bot]") return "tokens of Dependabot's jobs only read";
  return undefined;
}

/**
 * Tokens of pull requests from forks only read. Those of `pull_request_target` and `workflow_run` may write, but what
 * strangers had built must not get into a cache that others trust.
 */
function isFromFork(event: JsonObject): boolean {
  const base = textAt(event, "repository", "full_name");
  const pull = event["pull_request"];
  if (isObject(pull)) return base === undefined || textAt(pull, "head", "repo", "full_name") !== base;
  const run = event["workflow_run"];
  return isObject(run) && textAt(run, "head_repository", "full_name") !== base;
}

function textAt(value: unknown, ...path: readonly string[]): string | undefined {
  const found = path.reduce<unknown>((at, key) => (isObject(at) ? at[key] : undefined), value);
  return typeof found === "string" ? found : undefined;
}
