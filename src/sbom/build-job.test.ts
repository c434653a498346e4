import { expect, test } from "vitest";
import { buildJob } from "./build-job.js";

const gitlab = {
  GITLAB_CI: "true",
  CI_PROJECT_URL: "https://gitlab.example.org/hpc/stack",
  CI_PROJECT_PATH: "hpc/stack",
  CI_RUNNER_ID: "7",
  CI_JOB_URL: "https://gitlab.example.org/hpc/stack/-/jobs/99",
  CI_JOB_ID: "99",
  CI_COMMIT_REF_NAME: "main",
  CI_COMMIT_SHA: "0123456789abcdef0123456789abcdef01234567",
  CI_JOB_TOKEN: "glcbt-secret",
  CI_REGISTRY_PASSWORD: "secret",
  CI_REPOSITORY_URL: "https://gitlab-ci-token:secret@gitlab.example.org/hpc/stack.git",
};

test("a job of GitLab is named by its runner and its URL, and no secret of it is told", () => {
  const job = buildJob(gitlab);
  expect(job).toMatchObject({
    builder: "https://gitlab.example.org/hpc/stack/-/runners/7",
    invocation: "https://gitlab.example.org/hpc/stack/-/jobs/99",
    source: {
      uri: "git+https://gitlab.example.org/hpc/stack@main",
      digest: { gitCommit: gitlab.CI_COMMIT_SHA },
    },
    variables: { CI_JOB_ID: "99", CI_PROJECT_PATH: "hpc/stack" },
  });
  expect(JSON.stringify(job)).not.toContain("secret");
});

test("outside of a job, or in one that does not say enough, there is none", () => {
  expect(buildJob({})).toBeUndefined();
  expect(buildJob({ GITLAB_CI: "true" })).toBeUndefined();
  expect(buildJob({ GITHUB_ACTIONS: "true", GITHUB_REPOSITORY: "a/b" })).toBeUndefined();
});
