import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PushOptions, push } from "../../src/app/push.js";
import { hasShared, scratchDirectory, shared, spackRoot, unpackStore } from "../support/fixtures.js";
import { missingProgram, run, runInImage, startDockerRegistry } from "../support/peers.js";
import { startRegistry } from "../support/registry.js";

const scratch = scratchDirectory();
beforeAll(() => unpackStore(scratch.path));
afterAll(() => scratch[Symbol.dispose]());

const options = (more: Partial<PushOptions> = {}): PushOptions => ({
  specs: ["greet"],
  store: spackRoot,
  sysroot: scratch.path,
  env: { SPACK_DISABLE_LOCAL_CONFIG: "1" },
  home: join(scratch.path, "home"),
  ...more,
});

const noDockerRegistry = missingProgram("docker-registry");
const registries = [
  { name: "our registry", start: () => startRegistry(), skip: undefined },
  { name: "docker-registry", start: startDockerRegistry, skip: noDockerRegistry },
];

describe.each(registries)("images pushed to $name", ({ start, skip }) => {
  const noSkopeo = skip ?? missingProgram("skopeo");
  test.skipIf(noSkopeo)(`skopeo copies one${noSkopeo ? ` (skipped: ${noSkopeo})` : ""}`, async () => {
    await using registry = await start();
    const result = await push(`oci+http://${registry.host}/cache`, options({ updateIndex: true }));
    expect(result.failed).toEqual([]);
    expect(result.index).toMatchObject({ packages: 6 });
    const greet = result.pushed.find(({ name }) => name === "greet");
    const copy = join(scratch.path, `copy-${result.mirror.replace(/\W/g, "-")}`);
    await run("skopeo", [
      ...["copy", "--preserve-digests", "--src-tls-verify=false"],
      ...[`docker://${registry.host}/cache:${greet?.tag}`, `oci:${copy}:greet`],
    ]);
    const inspected = JSON.parse(await run("skopeo", ["inspect", "--raw", `oci:${copy}:greet`]));
    expect(inspected.layers).toHaveLength(6);
    expect(inspected.layers.at(-1).digest).toBe(greet?.layer);
  });

  const noRun =
    skip ??
    missingProgram("buildah") ??
    (hasShared ? undefined : "it needs ../shared") ??
    (process.getuid?.() === 0 ? undefined : "chroot needs root");
  test.skipIf(noRun)(`greet runs in its image${noRun ? ` (skipped: ${noRun})` : ""}`, async () => {
    await using registry = await start();
    const baseImage = `oci:${join(shared, "oci/base")}:12`;
    const result = await push(`oci+http://${registry.host}/cache`, options({ baseImage }));
    expect(result.failed).toEqual([]);
    const greet = result.pushed.find(({ name }) => name === "greet");
    const image = `${registry.host}/cache:${greet?.tag}`;
    // By name, so with the environment of the image: the shell of the base finds it on PATH.
    expect(await runInImage(image, ["sh", "-c", "greet && greet-sh again && echo $LANG"])).toBe(
      "Hello, world! zlib 1.2.13\nHello, again! zlib 1.2.13\nC.UTF-8\n",
    );
    expect(await runInImage(image, ["greet", "--where"])).toContain(`${spackRoot}/linux-x86_64/greet-2.1.0-`);
  });
});
