import { redactUrl } from "../base/redact.js";
import type { JsonObject } from "../base/decode.js";

/** An in-toto resource descriptor. */
export interface Resource {
  readonly name?: string;
  readonly uri?: string;
  readonly digest?: Readonly<Record<string, string>>;
  readonly annotations?: JsonObject;
}

/** The CI job that something was built by, as its variables tell. */
export interface BuildJob {
  /** URI of who is to be trusted for what the provenance says: a workflow, a runner. */
  readonly builder: string;
  /** URI of the one run. */
  readonly invocation: string;
  /** What the job's definition was checked out from. */
  readonly source: Resource;
  /** Those variables that say what ran; no others, as tokens are among them. */
  readonly variables: Readonly<Record<string, string>>;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** docs.github.com: "Default environment variables". */
const githubVariables = [
  "GITHUB_REPOSITORY",
  "GITHUB_REPOSITORY_ID",
  "GITHUB_REF",
  "GITHUB_SHA",
  "GITHUB_WORKFLOW_REF",
  "GITHUB_WORKFLOW_SHA",
  "GITHUB_JOB",
  "GITHUB_RUN_ID",
  "GITHUB_RUN_ATTEMPT",
  "GITHUB_EVENT_NAME",
  "RUNNER_ARCH",
  "RUNNER_ENVIRONMENT",
  "RUNNER_OS",
];

/** docs.gitlab.com: "Predefined CI/CD variables". */
const gitlabVariables = [
  "CI_PROJECT_PATH",
  "CI_PROJECT_ID",
  "CI_COMMIT_REF_NAME",
  "CI_COMMIT_SHA",
  "CI_CONFIG_PATH",
  "CI_JOB_ID",
  "CI_JOB_NAME",
  "CI_PIPELINE_ID",
  "CI_PIPELINE_SOURCE",
  "CI_RUNNER_ID",
  "CI_RUNNER_EXECUTABLE_ARCH",
];

/** The job of GitHub or GitLab that this is; undefined elsewhere. */
export function buildJob(env: Variables): BuildJob | undefined {
  if (env["GITHUB_ACTIONS"] === "true") return githubJob(env);
  if (env["GITLAB_CI"] === "true") return gitlabJob(env);
  return undefined;
}

function githubJob(env: Variables): BuildJob | undefined {
  const { GITHUB_SERVER_URL: server = "https://github.com", GITHUB_REPOSITORY: repository } = env;
  const { GITHUB_WORKFLOW_REF: workflow, GITHUB_RUN_ID: run, GITHUB_RUN_ATTEMPT: attempt = "1" } = env;
  const { GITHUB_REF: ref, GITHUB_SHA: commit } = env;
  if (!repository || !workflow || !run || !ref || !commit) return undefined;
  return {
    builder: `${redactUrl(server)}/${workflow}`,
    invocation: `${redactUrl(server)}/${repository}/actions/runs/${run}/attempts/${attempt}`,
    source: { uri: `git+${redactUrl(server)}/${repository}@${ref}`, digest: { gitCommit: commit } },
    variables: chosen(env, githubVariables),
  };
}

function gitlabJob(env: Variables): BuildJob | undefined {
  const { CI_PROJECT_URL: project, CI_RUNNER_ID: runner, CI_JOB_URL: job } = env;
  const { CI_COMMIT_REF_NAME: ref, CI_COMMIT_SHA: commit } = env;
  if (!project || !runner || !job || !ref || !commit) return undefined;
  return {
    builder: `${redactUrl(project)}/-/runners/${runner}`,
    invocation: redactUrl(job),
    source: { uri: `git+${redactUrl(project)}@${ref}`, digest: { gitCommit: commit } },
    variables: chosen(env, gitlabVariables),
  };
}

const chosen = (env: Variables, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
