import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { packageTags } from "../../src/buildcache/oci-cache.js";
import { cli } from "../support/cli.js";
import { openTestClient } from "../support/client.js";
import { scratchDirectory } from "../support/fixtures.js";
import { writeLockfile } from "../support/lockfile.js";
import { pushingMachine } from "../support/push.js";
import { pem, pemPath, startRegistry } from "../support/registry.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (file: string) => parse(readFileSync(join(root, file), "utf8"));

test("the workflow for GitHub gives the action inputs, and asks it for outputs, that there are", () => {
  const action = read("action.yml");
  const { jobs } = read("examples/github/build.yml");
  const steps: { uses?: string; with?: object }[] = Object.values<{ steps: [] }>(jobs).flatMap(
    (job) => job.steps,
  );
  const uses = steps.filter((step) => step.uses?.includes("/stowage@"));
  expect(uses).toHaveLength(2);
  for (const step of uses)
    for (const name of Object.keys(step.with ?? {})) expect(Object.keys(action.inputs)).toContain(name);
  const text = readFileSync(join(root, "examples/github/build.yml"), "utf8");
  const outputs = [...text.matchAll(/steps\.cache\.outputs\.(\w+)/g)].map(([, name]) => name);
  expect(Object.keys(action.outputs)).toEqual(expect.arrayContaining(outputs));
});

test("the template for GitLab logs in as the job, restores, and pushes what was built", async () => {
  using scratch = scratchDirectory();
  using machine = pushingMachine();
  await using built = await startRegistry();
  await using registry = await startRegistry({
    tls: true,
    token: true,
    htpasswd: { "gitlab-ci-token": "job" },
  });
  const login = { username: "gitlab-ci-token", password: "job" };
  await using client = openTestClient(registry.url, { login, tls: { ca: pem("ca") } });
  const cache = client.open("group/project/spack-cache");

  const project = join(scratch.path, "project");
  const bin = join(scratch.path, "bin");
  for (const folder of [project, bin, join(scratch.path, "home")]) mkdirSync(folder);
  for (const [name, text] of [
    ["stowage", `exec '${process.execPath}' '${cli}' "$@"`],
    ["npm", "exit 0"],
  ] as const) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const mirror = `oci+http://${built.host}/built`;
  await machine.push(mirror, { specs: ["greet"], updateIndex: true });
  await using elsewhere = openTestClient(built.url);
  mkdirSync(join(project, "spack"));
  writeFileSync(join(project, "spack/spack.yaml"), "spack:\n  specs: [greet]\n");
  await writeLockfile(join(project, "spack"), { repository: elsewhere.open("built"), name: "greet" });

  const { variables, before_script, after_script } = read("examples/gitlab/stowage.gitlab-ci.yml")[
    ".stowage"
  ];
  const runScript = async (lines: readonly string[], more: Record<string, string> = {}): Promise<string> => {
    const given = { CI_REGISTRY_IMAGE: `${registry.host}/group/project`, CI_PROJECT_DIR: project };
    const own = Object.entries<string>(variables).map(([name, value]) => `export ${name}="${value}"`);
    const { stdout, stderr } = await promisify(execFile)("bash", ["-ec", [...own, ...lines].join("\n")], {
      cwd: project,
      env: {
        PATH: `${bin}:${process.env["PATH"]}`,
        HOME: join(scratch.path, "home"),
        SPACK_SYSTEM_CONFIG_PATH: join(scratch.path, "system"),
        SSL_CERT_FILE: pemPath("ca"),
        CI_REGISTRY: registry.host,
        CI_JOB_TOKEN: "job",
        ...given,
        ...more,
      },
    });
    return stdout + stderr;
  };

  expect(await runScript(before_script)).toMatch(/in no mirror: greet@2\.1\.0[\s\S]*0 packages installed/);
  await runScript([
    `stowage --store "$STOWAGE_STORE" install --no-host-compatible --mirror ${mirror} greet`,
    ...after_script,
  ]);
  expect((await packageTags(cache)).size).toBe(0);
  await runScript(after_script, { CI_COMMIT_REF_PROTECTED: "true" });
  expect((await packageTags(cache)).size).toBe(6);
  expect(readFileSync(join(project, "digests.txt"), "utf8").trim().split("\n")).toHaveLength(6);
  expect(await runScript([`rm -r "$STOWAGE_STORE"`, ...before_script])).toContain("6 packages installed");
});
