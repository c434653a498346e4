import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { hasZstd } from "../../src/archive/zstd.js";
import { list, sync } from "../../src/index.js";
import { hasShared, shared } from "../support/fixtures.js";
import { pushingMachine } from "../support/push.js";
import { pemPath, startRegistry } from "../support/registry.js";

/** Root of a Spack 1.x; without one there is nobody to ask. */
const checkout = process.env["STOWAGE_SPACK"];
const run = promisify(execFile);

/** Spack reads no index over `oci+http`. */
const trusted = { SSL_CERT_FILE: pemPath("ca") };

/** Spack with a mirror, a store, and recipes that say nothing, as it wants one of each package. */
async function spackAt(machine: string, mirror: string) {
  const folder = join(machine, "spack");
  // Spack makes no prefix longer than it was.
  const store = join(machine, "s");
  const scope = join(folder, "scope");
  const { packages, graph } = await list({ home: folder, env: trusted, mirror });
  const namespaces = new Set<string>();
  for (const { name, namespace = "builtin" } of graph.nodes.values()) {
    namespaces.add(namespace);
    const recipe = join(folder, "repos/spack_repo", namespace, "packages", name.replaceAll("-", "_"));
    mkdirSync(recipe, { recursive: true });
    const title = name.replaceAll(/(?:^|-)(.)/g, (_, first: string) => first.toUpperCase());
    writeFileSync(
      join(recipe, "package.py"),
      `from spack.package import *\n\n\nclass ${title}(PackageBase):\n    build_system("generic")\n`,
    );
  }
  mkdirSync(scope, { recursive: true });
  const repos: string[] = [];
  for (const namespace of namespaces) {
    const repo = join(folder, "repos/spack_repo", namespace);
    writeFileSync(join(repo, "repo.yaml"), `repo:\n  namespace: ${namespace}\n  api: v2.0\n`);
    repos.push(`  ${namespace}: ${repo}\n`);
  }
  writeFileSync(join(scope, "repos.yaml"), `repos::\n${repos.join("")}`);
  writeFileSync(
    join(scope, "mirrors.yaml"),
    `mirrors::\n  ours: {url: "${mirror.includes("://") ? mirror : `file://${mirror}`}", signed: false}\n`,
  );
  writeFileSync(join(scope, "config.yaml"), `config:\n  install_tree: {root: ${store}}\n`);
  const env = {
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    ...trusted,
    HOME: folder,
    SPACK_USER_CONFIG_PATH: scope,
    SPACK_SYSTEM_CONFIG_PATH: join(folder, "system"),
    SPACK_USER_CACHE_PATH: join(folder, "cache"),
  };
  const spack = async (...args: readonly string[]): Promise<string> =>
    (await run(join(checkout ?? "", "bin/spack"), args, { env, encoding: "utf8" })).stdout;
  return { packages, spack };
}

test.skipIf(checkout === undefined)(
  "Spack lists, checks and installs what push() wrote to a directory",
  async () => {
    using machine = pushingMachine();
    const mirror = join(machine.path, "mirror");
    await machine.push(mirror, { specs: ["greet"], unsigned: true, updateIndex: true });
    const { packages, spack } = await spackAt(machine.path, mirror);
    const listed = await spack("buildcache", "list", "--allarch", "--long");
    for (const { spec } of packages) expect(listed).toContain(spec.hash.slice(0, 7));
    const greet = packages.find(({ spec }) => spec.name === "greet")?.spec.hash ?? "";
    await spack("install", "--no-check-signature", "--use-buildcache", "only", `/${greet}`);
    const prefix = (await spack("location", "--install-dir", `/${greet}`)).trim();
    const { stdout } = await run(join(prefix, "bin/greet"), ["--where"]);
    expect(stdout).toContain(prefix);
  },
);

test.skipIf(checkout === undefined)("Spack installs what push() packed as nobody else does", async () => {
  using machine = pushingMachine();
  await using registry = await startRegistry({ tls: true });
  const mirror = `oci://${registry.host}/cache`;
  const { failed } = await machine.push(mirror, {
    specs: ["greet"],
    compressionLevel: 9,
    updateIndex: true,
    env: trusted,
  });
  expect(failed).toEqual([]);
  const { packages, spack } = await spackAt(machine.path, mirror);
  const greet = packages.find(({ spec }) => spec.name === "greet")?.spec.hash ?? "";
  await spack("install", "--no-check-signature", "--use-buildcache", "only", `/${greet}`);
  expect(await spack("find", "--format", "{hash}", "greet")).toContain(greet);
});

test.skipIf(checkout === undefined || !hasZstd)(
  "Spack lists what push() packed in zstd, and does not install it",
  async () => {
    using machine = pushingMachine();
    await using registry = await startRegistry({ tls: true });
    const mirror = `oci://${registry.host}/cache`;
    await machine.push(mirror, { specs: ["greet"], compression: "zstd", updateIndex: true, env: trusted });
    const { packages, spack } = await spackAt(machine.path, mirror);
    const greet = packages.find(({ spec }) => spec.name === "greet")?.spec.hash ?? "";
    expect(await spack("buildcache", "list", "--allarch", "--long")).toContain(greet.slice(0, 7));
    const installing = spack("install", "--no-check-signature", "--use-buildcache", "only", `/${greet}`);
    await expect(installing).rejects.toThrow();
    await expect(spack("find", "greet")).rejects.toThrow();
  },
);

test.skipIf(checkout === undefined || !hasShared)(
  "Spack installs what was copied from an old mirror",
  async () => {
    using machine = pushingMachine();
    const mirror = join(machine.path, "mirror");
    const options = { home: machine.home, env: {}, unsigned: true, checkSignature: false, updateIndex: true };
    await sync(join(shared, "mirror-v2-023"), mirror, options);
    const { packages, spack } = await spackAt(machine.path, mirror);
    const greet = packages.find(({ spec }) => spec.name === "greet")?.spec.hash ?? "";
    await spack("install", "--no-check-signature", "--use-buildcache", "only", `/${greet}`);
    expect(await spack("find", "--format", "{hash}", "greet")).toContain(greet);
  },
);
