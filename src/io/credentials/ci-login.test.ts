import { expect, test } from "vitest";
import { ciLogin } from "./ci-login.js";

const github = { GITHUB_TOKEN: "ghs_1", GITHUB_ACTOR: "octocat" };

test("GitHub's job token is for GitHub's registry alone", () => {
  expect(ciLogin("ghcr.io", github)).toEqual({
    type: "password",
    username: "octocat",
    password: "ghs_1",
    source: "$GITHUB_TOKEN",
    httpsOnly: true,
  });
  for (const domain of ["docker.io", "ghcr.io.example", "ghcr.io:80", "containers.github.com"])
    expect(ciLogin(domain, github)).toBeUndefined();
  expect(ciLogin("ghcr.io", { GITHUB_TOKEN: "ghs_1" })).toBeUndefined();
});

test("another server's token goes to that server's registry, not to ghcr.io", () => {
  const env = { ...github, GITHUB_SERVER_URL: "https://git.example" };
  expect(ciLogin("ghcr.io", env)).toBeUndefined();
  expect(ciLogin("containers.git.example", env)).toMatchObject({ username: "octocat" });
  expect(
    ciLogin("containers.git.example", { ...env, GITHUB_SERVER_URL: "http://git.example" }),
  ).toBeUndefined();
});

test("GitLab's variables are for the registry that they name", () => {
  const env = { CI_REGISTRY: "registry.example:5050", CI_JOB_TOKEN: "job" };
  expect(ciLogin("registry.example:5050", env)).toMatchObject({
    username: "gitlab-ci-token",
    password: "job",
    source: "$CI_JOB_TOKEN",
  });
  const both = { ...env, CI_REGISTRY_USER: "deploy", CI_REGISTRY_PASSWORD: "pw" };
  expect(ciLogin("registry.example:5050", both)).toMatchObject({
    username: "deploy",
    source: "$CI_REGISTRY_PASSWORD",
  });
  expect(ciLogin("registry.example", both)).toBeUndefined();
  expect(ciLogin("", { CI_REGISTRY: "", CI_JOB_TOKEN: "job" })).toBeUndefined();
});
