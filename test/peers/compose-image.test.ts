import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ImageOptions, image } from "../../src/app/image.js";
import { type PushOptions, push } from "../../src/app/push.js";
import { rebase } from "../../src/app/rebase.js";
import { readEntry } from "../../src/buildcache/entry.js";
import { composeImage } from "../../src/image/compose.js";
import { openLayout } from "../../src/io/registry/layout.js";
import { contentOf } from "../../src/oci/content.js";
import { digestOf } from "../../src/oci/digest.js";
import { decodeImageConfig } from "../../src/oci/image-config.js";
import { decodeImageManifest } from "../../src/oci/manifest.js";
import { mediaTypes } from "../../src/oci/media-types.js";
import { parseTag } from "../../src/oci/reference.js";
import { stowage } from "../support/cli.js";
import { openTestClient } from "../support/client.js";
import { hasShared, scratchDirectory, shared, spackRoot, unpackStore } from "../support/fixtures.js";
import { missingProgram, run, runInImage, startDockerRegistry } from "../support/peers.js";
import { startRegistry } from "../support/registry.js";

const scratch = scratchDirectory();
beforeAll(() => unpackStore(scratch.path));
afterAll(() => scratch[Symbol.dispose]());

const place = { env: { SPACK_DISABLE_LOCAL_CONFIG: "1" }, home: join(scratch.path, "home"), jobs: 2 };
const pushOptions = (more: Partial<PushOptions> = {}): PushOptions => ({
  ...place,
  specs: ["greet"],
  store: spackRoot,
  sysroot: scratch.path,
  updateIndex: true,
  ...more,
});
const imageOptions = (more: Partial<ImageOptions> = {}): ImageOptions => ({
  ...place,
  specs: ["greet", "bzip2"],
  tag: "tools",
  ...more,
});
const glibc = `oci:${join(shared, "oci/base")}:12`;

const noPeer = missingProgram("docker-registry") ?? missingProgram("skopeo");
const noRun =
  noPeer ?? missingProgram("buildah") ?? (process.getuid?.() === 0 ? undefined : "chroot needs root");

const registries = [
  { name: "our registry", start: () => startRegistry(), skip: missingProgram("buildah") },
  { name: "docker-registry", start: startDockerRegistry, skip: noRun },
];

describe.skipIf(!hasShared)("images composed of what is in a cache (needs ../shared)", () => {
  test.each(registries.filter(({ skip }) => skip === undefined))("one runs from $name", async ({ start }) => {
    await using registry = await start();
    const mirror = `oci+http://${registry.host}/cache`;
    expect((await push(mirror, pushOptions())).failed).toEqual([]);
    const made = await image(
      mirror,
      imageOptions({ baseImage: glibc, variables: ["PATH=/extra:$PATH:/bin"] }),
    );
    expect(made).toMatchObject({ image: `${registry.host}/cache:tools`, layers: 7, merged: 0 });
    const out = await runInImage(`${registry.host}/cache:tools`, [
      "sh",
      "-c",
      "greet && $(command -v bzip2) --help 2>&1; echo $PATH",
    ]);
    expect(out).toContain("Hello, world! zlib 1.2.13\n");
    expect(out).toContain("Test integrity");
    expect(out).toMatch(/^\/extra:\/opt/m);
    // Its layers, the base's aside, were there: a second time nothing is sent at all.
    const again = await image(
      mirror,
      imageOptions({ baseImage: glibc, variables: ["PATH=/extra:$PATH:/bin"] }),
    );
    expect(again).toMatchObject({ digest: made.digest, sent: 0 });
  });

  test("its layers and variables are those of Spack's image under --tag", async () => {
    await using registry = await startRegistry();
    const mirror = `oci+http://${registry.host}/cache`;
    const pushed = await push(mirror, pushOptions({ baseImage: glibc, tag: "greet-env" }));
    expect(pushed).toMatchObject({ failed: [], image: { tag: "greet-env", layers: 7 } });
    const copy = join(scratch.path, "greet-env");
    const made = await image(
      mirror,
      imageOptions({ specs: ["greet"], output: `oci:${copy}:greet-env`, baseImage: glibc }),
    );
    const [ours, theirs] = [
      await configIn(copy, "greet-env"),
      await configIn(join(shared, "oci/images"), "greet-env"),
    ];
    expect(made.layers).toBe(7);
    expect(Object.keys(ours)).toEqual(Object.keys(theirs));
    expect({ ...ours.config, Env: cleaned(ours.config?.Env) }).toEqual({
      ...theirs.config,
      Env: cleaned(theirs.config?.Env),
    });
  });

  test("what Spack pushed is composed with the variables of its recipes", async () => {
    const copy = join(scratch.path, "from-spack");
    await image(
      `oci-layout:${join(shared, "oci/cache")}`,
      imageOptions({ specs: ["/fnjwovnnel7zse6f4ljr3y6budjlpyrd"], output: `oci:${copy}`, baseImage: glibc }),
    );
    const [ours, theirs] = [
      await configIn(copy, "tools"),
      await configIn(join(shared, "oci/images"), "greet-env"),
    ];
    expect(ours.rootfs).toEqual(theirs.rootfs);
    expect(cleaned(ours.config?.Env, { recipes: true })).toEqual(
      cleaned(theirs.config?.Env, { recipes: true }),
    );
  });

  test("past the cap least needed layers are merged; it runs, and a package can still be read", async () => {
    await using registry = await startRegistry();
    const mirror = `oci+http://${registry.host}/cache`;
    const pushed = await push(mirror, pushOptions({ baseImage: glibc, maxLayers: 4, tag: "tools" }));
    expect(pushed.failed).toEqual([]);
    const greet = pushed.pushed.find(({ name }) => name === "greet");
    await using client = openTestClient(registry.url);
    const entry = await readEntry(client.open("cache"), parseTag(greet?.tag ?? ""));
    expect(entry?.layers).toHaveLength(4);
    expect(entry?.layer.digest).toBe(greet?.layer);
    expect(entry?.image.annotations).toMatchObject({
      "org.opencontainers.image.title": "greet",
      "org.opencontainers.image.version": "2.1.0",
      "org.opencontainers.image.url": "https://example.com/greet",
      "org.opencontainers.image.base.digest": expect.stringMatching(/^sha256:/),
    });
    if (noRun === undefined)
      for (const tag of [greet?.tag, "tools"])
        expect(await runInImage(`${registry.host}/cache:${tag}`, ["greet"])).toBe(
          "Hello, world! zlib 1.2.13\n",
        );
  });

  test("a base image in Docker's format is followed, and saved for docker load", async () => {
    await using registry = await startRegistry();
    const mirror = `oci+http://${registry.host}/cache`;
    await push(mirror, pushOptions());
    await run("skopeo", [
      ...["copy", "--format", "v2s2", "--dest-tls-verify=false"],
      ...[glibc, `docker://${registry.host}/tiny:12`],
    ]);
    const baseImage = `oci+http://${registry.host}/tiny:12`;
    const file = join(scratch.path, "tools.tar");
    const before = registry.requests.length;
    await image(mirror, imageOptions({ baseImage }));
    const mounts = registry.requests.slice(before).filter(({ query }) => query.has("mount"));
    expect(mounts).not.toHaveLength(0);
    await image(mirror, imageOptions({ baseImage, output: `docker-archive:${file}` }));
    const inspected = JSON.parse(
      await run("skopeo", [
        "inspect",
        "--raw",
        "--tls-verify=false",
        `docker://${registry.host}/cache:tools`,
      ]),
    );
    expect(inspected.mediaType).toBe("application/vnd.docker.distribution.manifest.v2+json");
    expect(inspected.annotations).toBeUndefined();
    const saved = JSON.parse(await run("skopeo", ["inspect", "--config", `docker-archive:${file}`]));
    expect(saved.rootfs.diff_ids).toHaveLength(7);
    await run("skopeo", ["copy", `docker-archive:${file}`, `oci:${join(scratch.path, "loaded")}:tools`]);
    if (noRun === undefined)
      expect(await runInImage(`${registry.host}/cache:tools`, ["greet"])).toBe("Hello, world! zlib 1.2.13\n");
  });

  test("tags that exist get a base image, without any layer of theirs sent again", async () => {
    await using registry = await startRegistry();
    const mirror = `oci+http://${registry.host}/cache`;
    const first = await push(mirror, pushOptions());
    const again = await push(mirror, pushOptions({ baseImage: glibc }));
    expect(again).toMatchObject({ pushed: [], failed: [] });
    expect(again.rebased.map(({ name }) => name).sort()).toEqual(first.pushed.map(({ name }) => name).sort());
    expect(await push(mirror, pushOptions({ baseImage: glibc }))).toMatchObject({ rebased: [], failed: [] });
    const greet = first.pushed.find(({ name }) => name === "greet");
    if (noRun === undefined)
      expect(await runInImage(`${registry.host}/cache:${greet?.tag}`, ["greet"])).toBe(
        "Hello, world! zlib 1.2.13\n",
      );
    // The package in it is what it was.
    await using client = openTestClient(registry.url);
    const entry = await readEntry(client.open("cache"), parseTag(greet?.tag ?? ""));
    expect(entry?.layer.digest).toBe(greet?.layer);
    const forced = await push(mirror, pushOptions({ force: true }));
    expect(new Set(forced.failed.map(({ failure }) => failure.code))).toContain("push.would-degrade");
    expect(await rebase(mirror, { ...place, baseImage: glibc })).toMatchObject({ rebased: [], current: 6 });
  });

  test("what would not run is refused, saying what is missing", async () => {
    await using registry = await startRegistry();
    const mirror = `oci+http://${registry.host}/cache`;
    await push(mirror, pushOptions());
    const empty = await emptyImage(join(scratch.path, "empty"), "amd64");
    await expect(image(mirror, imageOptions({ baseImage: empty }))).rejects.toMatchObject({
      code: "image.not-runnable",
      message: expect.stringContaining("bin/greet needs libc.so.6"),
      hint: expect.stringMatching(/has no glibc: choose one with glibc 2\.\d+ or newer.*--no-check/),
    });
    await expect(image(mirror, imageOptions())).rejects.toMatchObject({
      code: "image.not-runnable",
      hint: expect.stringContaining("--base-image"),
    });
    expect(await image(mirror, imageOptions({ check: false }))).toMatchObject({ layers: 6 });
    const refused = await push(`oci+http://${registry.host}/other`, pushOptions({ baseImage: empty }));
    expect(refused.failed.find(({ name }) => name === "gcc-runtime")?.failure.code).toBe(
      "image.not-runnable",
    );
  });

  test("the command line makes one, with its own program and labels, and says what it did", async () => {
    const out = join(scratch.path, "cli");
    const mirror = `oci-layout:${join(shared, "oci/cache")}`;
    const args = ["--base-image", glibc, "--output", `oci:${out}:hello`, "--json"];
    const settings = [
      "--entrypoint",
      "greet --where",
      "--env",
      "LANG=C",
      "--label",
      "team=core",
      "--user",
      "1000",
    ];
    const made = await stowage(["image", mirror, "greet", ...args, ...settings], { home: place.home });
    expect(made.json()).toMatchObject({
      image: `oci:${out}:hello`,
      layers: 7,
      packages: [{ name: "greet" }],
    });
    const { config } = await configIn(out, "hello");
    expect(config).toMatchObject({
      Entrypoint: ["greet", "--where"],
      User: "1000",
      Labels: { team: "core", "org.opencontainers.image.title": "tiny" },
    });
    expect(config?.Env).toContain("LANG=C");
    // The base's Cmd would be arguments of the new program.
    expect(config?.Cmd).toBeUndefined();
    const refused = await stowage(["image", mirror, "greet", ...args, "--entrypoint", "[1]"], {
      home: place.home,
    });
    expect(refused.code).toBe(2);
    const unbased = await stowage(["image", mirror, "--rebase"], { home: place.home });
    expect(unbased.stderr).toContain("--base-image");
  });

  test("what recipes set comes from a Spack on this machine, as the image has it; without one it says so", async () => {
    const cache = `oci-layout:${join(shared, "oci/cache")}`;
    const out = join(scratch.path, "loaded-by-spack");
    const spack = join(scratch.path, "spack");
    mkdirSync(join(spack, "lib/spack/spack"), { recursive: true });
    mkdirSync(join(spack, "bin"));
    const hash = "fnjwovnnel7zse6f4ljr3y6budjlpyrd";
    // Its store is elsewhere, and its shell has paths of its own.
    const here = `/here/greet-${hash}`;
    const said = `export GREET_PATH=${here}/share:/home/me;\nexport GREET_MOTTO='good day';\n`;
    writeFileSync(join(spack, "bin/spack"), `#!/bin/sh\n[ "$3" != /${hash} ] || printf "%s" "${said}"\n`, {
      mode: 0o755,
    });
    const options = {
      specs: ["greet"],
      baseImage: glibc,
      output: `oci:${out}:t`,
      environmentFrom: "spack",
    } as const;
    const env = { ...place.env, PATH: "/usr/bin:/bin" };
    await image(cache, imageOptions({ ...options, env: { ...env, SPACK_ROOT: spack } }));
    const variables = (await configIn(out, "t")).config?.Env;
    expect(variables).toContain("GREET_MOTTO=good day");
    expect(variables).toContain(`GREET_PATH=${spackRoot}/linux-x86_64/greet-2.1.0-${hash}/share`);
    await expect(image(cache, imageOptions({ ...options, env }))).rejects.toMatchObject({
      code: "image.spack-missing",
    });

    // The tags of packages, and the image of several, get it with the push.
    const layout = join(scratch.path, "pushed-with-spack");
    const { environmentFrom } = options;
    const pushing = pushOptions({ specs: ["greet"], baseImage: glibc, tag: "t", environmentFrom });
    const pushed = await push(`oci-layout:${layout}`, { ...pushing, env: { ...env, SPACK_ROOT: spack } });
    expect(pushed.failed).toEqual([]);
    for (const tag of ["t", `greet-2.1.0-${hash}.spack`])
      expect((await configIn(layout, tag)).config?.Env).toEqual(
        expect.arrayContaining([
          "GREET_MOTTO=good day",
          `GREET_PATH=${spackRoot}/linux-x86_64/greet-2.1.0-${hash}/share`,
        ]),
      );
    await expect(push(`oci-layout:${layout}`, { ...pushing, env })).rejects.toMatchObject({
      code: "image.spack-missing",
    });
  });

  test.each([
    ["an unknown base image", { baseImage: `oci:${join(shared, "oci/base")}:13` }, "image.base-missing"],
    ["a base image for another platform", { baseImage: "arm64" }, "image.platform-wrong"],
    ["a platform that no package is for", { platform: "linux/arm64" }, "spec.no-match"],
    ["a package's tag", { tag: "index.spack" }, "image.tag-taken"],
    ["a package that is not there", { specs: ["nothing"] }, "spec.no-match"],
    ["a cap that leaves no room", { baseImage: glibc, maxLayers: 2 }, "image.too-many-layers"],
    ["a variable that is none", { baseImage: glibc, variables: ["=x"] }, "image.variable-invalid"],
    ["an output that is none", { output: "tools.tar" }, "image.output-unknown"],
  ])("%s is refused", async (_, more, code) => {
    const arm = await emptyImage(join(scratch.path, "arm"), "arm64");
    const layout = `oci-layout:${join(shared, "oci/cache")}`;
    const output = "output" in more ? more.output : `oci:${join(scratch.path, "refused")}`;
    const baseImage = "baseImage" in more ? (more.baseImage === "arm64" ? arm : more.baseImage) : undefined;
    const tried = image(layout, imageOptions({ ...more, output, baseImage }));
    await expect(tried).rejects.toMatchObject({ code });
  });
});

async function configIn(layout: string, tag: string) {
  const repository = await openLayout(layout);
  const manifest = await repository.manifests.read(parseTag(tag));
  if (manifest === undefined) throw new Error(`no ${tag} in ${layout}`);
  const { digest } = decodeImageManifest(manifest).config;
  return decodeImageConfig(readFileSync(join(layout, "blobs", digest.replace(":", "/"))), tag);
}

/** Spack's environment less what we leave out on purpose: duplicates, the host's own directories, recipes. */
function cleaned(env: readonly string[] | null | undefined, { recipes = false } = {}): string[] {
  return (env ?? []).flatMap((line) => {
    const [name = "", value = ""] = line.split(/=(.*)/s);
    if (name.startsWith("GREET_") && !recipes) return [];
    const own = [...new Set(value.split(":"))].filter((dir) => !/^\/usr\/(share|lib)\//.test(dir));
    return own.length === 0 ? [] : [`${name}=${own.join(":")}`];
  });
}

/** An image that has nothing at all. */
async function emptyImage(directory: string, architecture: string): Promise<string> {
  const layout = await openLayout(directory, { create: true });
  const tar = new Uint8Array(1024);
  const layer = contentOf(gzipSync(tar), mediaTypes.ociLayerGzip);
  const made = composeImage({
    layers: [{ descriptor: layer.descriptor, diffId: digestOf(tar) }],
    platform: { os: "linux", architecture },
    environment: new Map(),
  });
  await layout.blobs.write(layer);
  await layout.blobs.write(contentOf(made.config.bytes));
  await layout.manifests.write(made.manifest, { tag: parseTag("latest") });
  return `oci:${directory}`;
}
