import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { scratchDirectory } from "../support/fixtures.js";
import { goTool } from "../support/go-tools.js";
import { missingProgram, run } from "../support/peers.js";
import { startRegistry, type TestRegistry, type TestRegistryOptions } from "../support/registry.js";

const scratch = scratchDirectory();
afterAll(() => scratch[Symbol.dispose]());

const layout = join(scratch.path, "image");
const storage = ["--root", join(scratch.path, "root"), "--runroot", join(scratch.path, "run")];
const env = { STORAGE_DRIVER: "vfs", BUILDAH_ISOLATION: "chroot" };
const login = { alice: "secret" };

const noSkopeo = missingProgram("skopeo") ?? missingProgram("umoci");
const noBuildah = missingProgram("buildah") ?? missingProgram("podman");
const because = (missing: string | undefined): string =>
  missing === undefined ? "" : ` (skipped: ${missing})`;

/** An image of one layer, made by umoci. */
beforeAll(async () => {
  if (noSkopeo !== undefined) return;
  const file = join(scratch.path, "file");
  writeFileSync(file, randomBytes(300_000));
  await run("umoci", ["init", "--layout", layout]);
  await run("umoci", ["new", "--image", `${layout}:1`]);
  await run("umoci", ["insert", "--rootless", "--image", `${layout}:1`, file, "/file"]);
});

const digestAt = async (...reference: string[]): Promise<string> =>
  (await run("skopeo", ["inspect", "--format", "{{.Digest}}", ...reference])).trim();

const registries: readonly (readonly [string, TestRegistryOptions])[] = [
  ["in memory", {}],
  ["on disk", { storage: "disk" }],
  ["with htpasswd", { storage: "disk", htpasswd: login }],
  ["with tokens", { storage: "disk", htpasswd: login, token: true }],
];

describe.each(registries)("our registry %s", (_, options) => {
  const start = (): Promise<TestRegistry> => startRegistry(options);
  const creds = (side: "" | "src-" | "dest-"): string[] => [
    `--${side}tls-verify=false`,
    ...(options.htpasswd === undefined ? [] : [`--${side}creds`, "alice:secret"]),
  ];

  test.skipIf(noSkopeo)(`skopeo pushes, copies within, pulls and deletes${because(noSkopeo)}`, async () => {
    await using registry = await start();
    const [one, two] = [`docker://${registry.host}/team/one:1`, `docker://${registry.host}/team/two:2`];
    const back = join(scratch.path, `back-${registry.host.split(":")[1]}`);
    await run("skopeo", ["copy", ...creds("dest-"), `oci:${layout}:1`, one]);
    await run("skopeo", ["copy", ...creds("src-"), ...creds("dest-"), one, two]);
    await run("skopeo", ["copy", ...creds("src-"), two, `oci:${back}:2`]);
    expect(await digestAt(`oci:${back}:2`)).toBe(await digestAt(`oci:${layout}:1`));
    await run("skopeo", ["delete", ...creds(""), one]);
    const tags = JSON.parse(
      await run("skopeo", ["list-tags", ...creds(""), `docker://${registry.host}/team/two`]),
    );
    expect(tags.Tags).toEqual(["2"]);
    await expect(digestAt(...creds(""), one)).rejects.toThrow("manifest unknown");
  });

  test.skipIf(noBuildah ?? noSkopeo)(
    `podman and buildah pull, push and pull again${because(noBuildah ?? noSkopeo)}`,
    async () => {
      await using registry = await start();
      const [one, two] = [`${registry.host}/pod/one:1`, `${registry.host}/pod/two:2`];
      await run("skopeo", ["copy", ...creds("dest-"), `oci:${layout}:1`, `docker://${one}`]);
      await run("podman", [...storage, "pull", ...creds(""), one], env);
      await run("podman", [...storage, "push", ...creds(""), one, two], env);
      await run("podman", [...storage, "rmi", one], env);
      await run("buildah", [...storage, "pull", ...creds(""), `docker://${two}`], env);
      await run(
        "buildah",
        [...storage, "push", ...creds(""), two, `docker://${registry.host}/pod/three:3`],
        env,
      );
      expect(await digestAt(...creds(""), `docker://${registry.host}/pod/three:3`)).toMatch(/^sha256:/);
    },
  );
});

test.skipIf(noSkopeo)(`other tools read the repositories on disk in place${because(noSkopeo)}`, async () => {
  using root = scratchDirectory();
  await using registry = await startRegistry({ root: root.path });
  await run("skopeo", [
    "copy",
    "--dest-tls-verify=false",
    `oci:${layout}:1`,
    `docker://${registry.host}/a/b:1`,
  ]);
  await registry.close();
  const copy = join(scratch.path, "copy");
  await run("skopeo", ["copy", `oci:${root.path}/a/b:1`, `oci:${copy}:1`]);
  expect(await digestAt(`oci:${copy}:1`)).toBe(await digestAt(`oci:${layout}:1`));
  await run("umoci", ["unpack", "--rootless", "--image", `${root.path}/a/b:1`, join(scratch.path, "bundle")]);
});

test("crane pushes, copies, lists and deletes", async (context) => {
  const crane = await goTool("github.com/google/go-containerregistry/cmd/crane", "v0.22.1");
  if ("missing" in crane) return context.skip(crane.missing);
  if (noSkopeo !== undefined) return context.skip(noSkopeo);
  await using registry = await startRegistry({ storage: "disk" });
  const at = (name: string): string => `${registry.host}/${name}`;
  const call = (...args: string[]): Promise<string> => run(crane.path, args);
  await call("push", layout, at("a/b:1"));
  await call("copy", at("a/b:1"), at("c:2"));
  await call("tag", at("c:2"), "3");
  expect((await call("ls", at("c"))).split("\n").filter(Boolean)).toEqual(["2", "3"]);
  expect((await call("catalog", registry.host)).split("\n").filter(Boolean)).toEqual(["a/b", "c"]);
  await call("validate", "--remote", at("c:3"));
  await call("delete", at("c:3"));
  expect((await call("ls", at("c"))).trim()).toBe("2");
});
