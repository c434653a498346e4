import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { utf8 } from "../../src/base/bytes.js";
import { openLayout } from "../../src/io/registry/layout.js";
import { contentOf } from "../../src/oci/content.js";
import { encodeManifest } from "../../src/oci/manifest.js";
import { mediaTypes } from "../../src/oci/media-types.js";
import { parseTag } from "../../src/oci/reference.js";
import type { CliResult } from "../support/cli.js";
import { stowage as runCli } from "../support/cli.js";
import { scratchDirectory, spackRoot, unpackStore } from "../support/fixtures.js";
import { startRegistry, type TestRegistry } from "../support/registry.js";

const scratch = scratchDirectory();
const machine = join(scratch.path, "machine");
const home = join(scratch.path, "home");
let registry: TestRegistry;
let mirror = "";

const stowage = (...args: readonly string[]): Promise<CliResult> => runCli(args, { home });
const pushing = ["buildcache", "push", "--store", spackRoot, "--sysroot", machine];

beforeAll(async () => {
  for (const directory of [machine, home]) mkdirSync(directory);
  unpackStore(machine);
  registry = await startRegistry();
  mirror = `oci+http://${registry.host}/cache`;
  const pushed = await stowage(...pushing, "--update-index", mirror, "greet");
  expect(pushed, pushed.stderr).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await registry.close();
  scratch[Symbol.dispose]();
});

/** What a script sees: the exit code, and the failure's code and hint. */
async function failing(...args: readonly string[]) {
  const result = await stowage(...args, "--json");
  const { error } = result.json() as {
    error?: { code: string; kind: string; message: string; hint?: string };
  };
  return { exit: result.code, ...error };
}

const freshRoot = (name: string): string => join(scratch.path, name);

/** A store in which nothing was left: no prefixes, no staging, no records. */
function expectNothingIn(root: string): void {
  if (!existsSync(root)) return;
  const left = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
    (name) => !/^(\.spack-db|bin)(\/|$)/.test(name) && !/^\.stowage-staging(\/lock)?$/.test(name),
  );
  expect(left).toEqual([]);
  const index = join(root, ".spack-db/index.json");
  if (existsSync(index)) expect(JSON.parse(readFileSync(index, "utf8")).database.installs).toEqual({});
}

describe("bad input is refused by name, with a hint, and leaves nothing behind", () => {
  test("no such store", async () => {
    const failure = await failing("buildcache", "push", "--store", "/nonexistent/store", mirror, "greet");
    expect(failure).toMatchObject({
      exit: 3,
      code: "store.missing",
      hint: expect.stringContaining("--store"),
    });
    expect(failure.message).toContain("/nonexistent/store");
  });

  test("a damaged database", async () => {
    const root = freshRoot("damaged");
    mkdirSync(join(root, ".spack-db"), { recursive: true });
    writeFileSync(join(root, ".spack-db/index.json"), '{"database": {"version": "8", "installs": {');
    for (const args of [
      ["find", "--store", root],
      ["buildcache", "push", "--store", root, mirror, "greet"],
      ["install", "--store", root, "--mirror", mirror, "greet"],
    ]) {
      const failure = await failing(...args);
      expect(failure).toMatchObject({ exit: 6, code: "store.database-corrupt", hint: expect.any(String) });
      expect(failure.message).toContain(`${root}/.spack-db/index.json`);
    }
    expect(readdirSync(root)).toEqual([".spack-db"]);
  });

  test("an unreachable registry", async () => {
    const failure = await failing(
      "install",
      "--store",
      freshRoot("far"),
      "--mirror",
      "oci+http://127.0.0.1:1/x",
      "greet",
    );
    expect(failure).toMatchObject({ exit: 5, kind: "unavailable", hint: expect.any(String) });
    expect(failure.message).toContain("127.0.0.1:1");
    expectNothingIn(freshRoot("far"));
  });

  test("an unreachable registry beside one that answers: by name nothing is chosen, by hash there is nothing to choose", async () => {
    const own = join(scratch.path, "two-mirrors");
    mkdirSync(own);
    writeFileSync(
      join(own, "mirrors.yaml"),
      `mirrors:\n  gone: {url: "oci+http://127.0.0.1:1/x", signed: false}\n  main: {url: "${mirror}", signed: false}\n`,
    );
    const install = ["-C", own, "install", "--store", freshRoot("far"), "--dry-run"];
    const failure = await failing(...install, "libgreet");
    expect(failure).toMatchObject({ exit: 5, hint: expect.stringContaining("--mirror NAME") });
    const index = (await stowage("find", "--store", spackRoot, "--sysroot", machine, "--json")).json() as {
      packages: { name: string; hash: string }[];
    };
    const hash = index.packages.find(({ name }) => name === "libgreet")?.hash ?? "";
    for (const digits of [hash, hash.slice(0, 7)])
      expect(await stowage(...install, `/${digits}`)).toMatchObject({ code: 0 });
  });

  test("a spec that no mirror has", async () => {
    const failure = await failing("install", "--store", freshRoot("none"), "--mirror", mirror, "emacs");
    expect(failure).toMatchObject({ exit: 3, code: "spec.no-match", hint: expect.any(String) });
    expectNothingIn(freshRoot("none"));
  });

  test("a hash that no mirror has", async () => {
    const failure = await failing(
      "install",
      "--store",
      freshRoot("none"),
      "--mirror",
      mirror,
      `/${"a".repeat(32)}`,
    );
    expect(failure).toMatchObject({ exit: 3, hint: expect.any(String) });
    expect(failure.message).toContain("a".repeat(32));
  });

  test("a spec that nothing installed matches", async () => {
    const failure = await failing(...pushing, mirror, "emacs");
    expect(failure).toMatchObject({ exit: 3, code: "spec.no-match" });
    // To a hash no other is near.
    const hint = expect.not.stringContaining("Nearest");
    expect(await failing(...pushing, mirror, "/aaaaaaa")).toMatchObject({ exit: 3, hint });
  });

  test("a spec that is none", async () => {
    const failure = await failing(...pushing, mirror, "greet@@1");
    expect(failure).toMatchObject({ exit: 2, code: "spec.syntax" });
    expect(failure.message).toContain("^");
  });

  test("an ambiguous spec", async () => {
    const failure = await failing(...pushing, mirror, "@1:");
    expect(failure).toMatchObject({ exit: 2, code: "spec.ambiguous" });
    expect(failure.hint).toContain("zlib@1.2.13/7i7xbvp");
  });

  test("a number that is none, a working directory that is relative", async () => {
    const push = await failing(...pushing, "--max-layers", "x", mirror, "greet");
    expect(push).toMatchObject({ exit: 2, message: '--max-layers is "x"' });
    const image = await failing("image", mirror, "greet", "--tag", "t", "--workdir", "home");
    expect(image).toMatchObject({ exit: 2, message: expect.stringContaining("no absolute path") });
  });

  test("a base image of a layout, without its tag", async () => {
    const baseLayout = join(scratch.path, "base");
    const { blobs, manifests } = await openLayout(baseLayout, { create: true });
    const config = contentOf(utf8("{}"), mediaTypes.ociConfig);
    await blobs.write(config);
    await manifests.write(
      encodeManifest({
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        config: config.descriptor,
        layers: [],
      }),
      { tag: parseTag("12") },
    );
    const failure = await failing(...pushing, "--base-image", `oci:${baseLayout}`, mirror, "greet");
    expect(failure).toMatchObject({
      exit: 3,
      code: "image.base-missing",
      hint: `Name a tag, as in oci:${baseLayout}:12; it has 12.`,
    });
  });

  test("a registry to check that is not there, a key that is none, mending what is not checked", async () => {
    const missing = freshRoot("no-registry");
    for (const what of ["--fsck", "--gc"])
      expect(await failing("serve", "--root", missing, what)).toMatchObject({
        exit: 3,
        code: "server.root-missing",
      });
    expect(existsSync(missing)).toBe(false);
    const key = join(scratch.path, "no.key");
    writeFileSync(key, "no key");
    expect(await failing("serve", "--tls-cert", key, "--tls-key", key)).toMatchObject({
      exit: 2,
      code: "server.tls-invalid",
    });
    expect(await failing("serve", "--root", missing, "--repair")).toMatchObject({ exit: 2 });
    expect(await failing("serve", "--root", missing, "--gc-grace", "1")).toMatchObject({ exit: 2 });
  });

  test("a package that another needs", async () => {
    const root = freshRoot("needed");
    const installed = await stowage("install", "--no-cache", "--store", root, "--mirror", mirror, "greet");
    expect(installed, installed.stderr).toMatchObject({ code: 0 });
    const failure = await failing("uninstall", "--store", root, "zlib");
    expect(failure).toMatchObject({ exit: 7, code: "store.needed" });
    expect(failure.message).toMatch(/^zlib@1\.2\.13\/7i7xbvp is needed by libgreet@/);
  });

  test("a mirror that is not configured", async () => {
    const failure = await failing("buildcache", "update-index", "nowhere");
    expect(failure).toMatchObject({
      exit: 3,
      code: "mirror.unknown",
      hint: expect.stringContaining("mirror add"),
    });
  });

  test("a mirror without index", async () => {
    const empty = `oci+http://${registry.host}/empty`;
    const failure = await failing("install", "--store", freshRoot("none"), "--mirror", empty, "greet");
    expect(failure).toMatchObject({
      exit: 3,
      code: "buildcache.index-missing",
      hint: expect.stringContaining("update-index"),
    });
  });

  test("an unknown base image", async () => {
    const image = `oci+http://${registry.host}/base:none`;
    const failure = await failing(...pushing, "--force", "--base-image", image, mirror, "greet");
    expect(failure).toMatchObject({ exit: 3, code: "image.base-missing", hint: expect.any(String) });
  });

  test("a prefix that exists and is not the package", async () => {
    const root = freshRoot("taken");
    const plan = (
      await stowage("install", "--store", root, "--mirror", mirror, "--dry-run", "--json", "zlib")
    ).json() as {
      wanted: { name: string; prefix: string }[];
    };
    const prefix = plan.wanted.find(({ name }) => name === "zlib")?.prefix ?? "";
    expect(prefix).not.toBe("");
    mkdirSync(prefix, { recursive: true });
    writeFileSync(join(prefix, "precious"), "mine");
    const result = await stowage("install", "--store", root, "--mirror", mirror, "--json", "zlib");
    expect(result.code).toBe(7);
    expect(result.stdout).toContain("store.prefix-exists");
    expect(readFileSync(join(prefix, "precious"), "utf8")).toBe("mine");
  });

  test("a folder where a file should be, and a file where a folder should be", async () => {
    const folder = freshRoot("folder");
    mkdirSync(join(folder, ".spack-db/index.json"), { recursive: true });
    const file = freshRoot("file");
    writeFileSync(file, "");
    for (const args of [
      ["find", "--store", folder],
      ["install", "--mirror", mirror, "--lockfile", folder],
      ["serve", "--listen", "127.0.0.1:0", "--root", file],
    ])
      expect(await failing(...args)).toMatchObject({
        exit: 7,
        code: "disk.in-the-way",
        hint: expect.any(String),
      });
  });

  test("an option that does not exist", async () => {
    const result = await stowage("buildcache", "push", "--base-imag", "x", mirror, "greet");
    expect(result.code).toBe(2);
    expect(result.stderr).toContain("--base-image");
  });
});

describe("a registry that lies is refused", () => {
  /** Changes a blob of the pushed package on its way, as seen by a client. */
  async function lying(change: (bytes: Buffer) => Buffer): Promise<TestRegistry & { mirror: string }> {
    const inner = registry;
    const tags = (await (await fetch(`${inner.url}/v2/cache/tags/list`)).json()) as { tags: string[] };
    const data = tags.tags.find((tag) => tag.startsWith("greet-data-"));
    const manifest = (await (await fetch(`${inner.url}/v2/cache/manifests/${data}`)).json()) as {
      layers: { digest: string }[];
    };
    const layer = manifest.layers.at(-1)?.digest;
    const outer = await startRegistry({
      wrap: () => async (request) => {
        const answer = await inner.handler(request);
        if (request.method !== "GET" || layer === undefined || !request.path.endsWith(layer)) return answer;
        const chunks: Uint8Array[] = [];
        if (answer.body !== undefined)
          for await (const chunk of answer.body instanceof Uint8Array ? [answer.body] : answer.body)
            chunks.push(chunk);
        const body = change(Buffer.concat(chunks));
        return { ...answer, body, headers: { ...answer.headers, "Content-Length": String(body.length) } };
      },
    });
    return Object.assign(outer, { mirror: `oci+http://${outer.host}/cache` });
  }

  test("a layer with another digest", async () => {
    const liar = await lying((bytes) => {
      const changed = Buffer.from(bytes);
      changed[changed.length >> 1] = (changed[changed.length >> 1] ?? 0) ^ 0xff;
      return changed;
    });
    const result = await stowage(
      "install",
      "--store",
      freshRoot("lied"),
      "--mirror",
      liar.mirror,
      "--json",
      "greet-data",
    );
    await liar.close();
    expect([1, 6]).toContain(result.code);
    expect(result.stdout).toContain("oci.blob-corrupt");
    expectNothingIn(freshRoot("lied"));
  });

  test("a layer cut short", async () => {
    const liar = await lying((bytes) => bytes.subarray(0, bytes.length - 100));
    const result = await stowage(
      "install",
      "--store",
      freshRoot("cut"),
      "--mirror",
      liar.mirror,
      "--json",
      "greet-data",
    );
    await liar.close();
    expect([1, 5, 6]).toContain(result.code);
    expectNothingIn(freshRoot("cut"));
  });
});

const isRoot = process.getuid?.() === 0;
test.skipIf(!isRoot)(`a full disk${isRoot ? "" : " (skipped: mounting needs root)"}`, async ({ skip }) => {
  const root = freshRoot("full");
  mkdirSync(root);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=600k", "tmpfs", root], { stdio: "pipe" });
  } catch {
    skip("mounting is forbidden here, even to root");
  }
  try {
    const result = await stowage("install", "--store", root, "--mirror", mirror, "--json", "greet");
    expect([1, 5]).toContain(result.code);
    expect(result.stdout).toMatch(/store\.no-space|install\.no-space/);
    expectNothingIn(root);
  } finally {
    execFileSync("umount", [root]);
  }
});
