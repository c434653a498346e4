import type { Credential } from "../../oci/credential.js";

/**
 * The login that a CI system gives its jobs for its own registry: GitHub's job token, where a job hands it on as
 * `GITHUB_TOKEN`, and GitLab's registry variables (docs.gitlab.com/ci/variables/predefined_variables).
 */
export function ciLogin(
  domain: string,
  environment: Readonly<Record<string, string | undefined>>,
): Credential | undefined {
  const login = (username: string, password: string, variable: string): Credential => ({
    type: "password",
    username,
    password,
    source: `$${variable}`,
    httpsOnly: true,
  });
  const { GITHUB_TOKEN, GITHUB_ACTOR, GITHUB_SERVER_URL = "https://github.com" } = environment;
  if (GITHUB_TOKEN && GITHUB_ACTOR && domain === githubRegistry(GITHUB_SERVER_URL))
    return login(GITHUB_ACTOR, GITHUB_TOKEN, "GITHUB_TOKEN");

  const { CI_REGISTRY, CI_REGISTRY_USER, CI_REGISTRY_PASSWORD, CI_JOB_TOKEN } = environment;
  if (!CI_REGISTRY || domain !== CI_REGISTRY) return undefined;
  if (CI_REGISTRY_USER && CI_REGISTRY_PASSWORD)
    return login(CI_REGISTRY_USER, CI_REGISTRY_PASSWORD, "CI_REGISTRY_PASSWORD");
  return CI_JOB_TOKEN ? login("gitlab-ci-token", CI_JOB_TOKEN, "CI_JOB_TOKEN") : undefined;
}

/** Gitea and Forgejo set the same variables, with tokens that are no business of GitHub's. */
function githubRegistry(server: string): string | undefined {
  const host = /^https:\/\/([^/]+)\/?$/.exec(server)?.[1];
  return host === "github.com" ? "ghcr.io" : host === undefined ? undefined : `containers.${host}`;
}
