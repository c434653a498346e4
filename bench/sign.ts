// Signs and verifies the packages of a mirror with a key, beside cosign one by one; and what checking costs an install.
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { packageTag } from "../src/buildcache/tag.js";
import type { SpecGraph } from "../src/spec/concrete-spec.js";
import { makePackages, openRepositoryFiles, writePackage } from "./data/packages.js";
import { unpackStack } from "./data/stack.js";
import type { Benchmark, Prepare } from "./harness.js";
import { homeIn, isInstalled, type Spent, spend, stowage } from "./support/command.js";
import { startDockerRegistry } from "./support/registries.js";
import { scratchFolder } from "./support/scratch.js";

/** Calls of cosign that are timed; what all packages would take is reckoned from them. */
const calls = 10;
const peers = process.env["STOWAGE_PEERS"] ?? join(homedir(), ".cache/stowage-peers");
const cosign = ["v2.6.5", "v3.1.3"]
  .map((version) => join(peers, `cosign-${version}/cosign`))
  .find(existsSync);

export const prepare: Prepare = async (options) => {
  if (!isInstalled("docker-registry")) {
    console.error("sign: skipped, docker-registry is missing");
    return [];
  }
  const count = options.short ? 50 : 1000;
  const scratch = scratchFolder();
  const registry = await startDockerRegistry(join(scratch, "registry"));
  const files = openRepositoryFiles(registry.root, "cache");
  const packages = makePackages(count);
  const graph: SpecGraph = { roots: [], nodes: new Map(packages.map((one) => [one.hash, one])), format: 5 };
  for (const one of packages) writePackage(files, graph, one);
  const home = homeIn(join(scratch, "home"));
  const env = { ...home, COSIGN_PASSWORD: "bench" };
  const mirror = `oci+http://${registry.host}/cache`;
  const key = join(scratch, "bench");
  await spend([...stowage, "key", "generate", "-o", key], { env });
  const own = (...args: readonly string[]) => spend([...stowage, "--json", "--quiet", ...args], { env });
  const sign = () => own("sign", mirror, "--all", "--force", "--key", `${key}.key`);
  const { signed } = JSON.parse((await sign()).stdout);
  const digests: string[] = signed.flatMap(({ tag, digest }: { tag: string; digest: string }) =>
    packages.some((one) => packageTag(one) === tag) ? [digest] : [],
  );
  const byCosign = async (...args: readonly string[]): Promise<Spent> => {
    const before = performance.now();
    let processors = 0;
    for (const digest of digests.slice(0, calls)) {
      const ref = `${registry.host}/cache@${digest}`;
      processors += (await spend([cosign ?? "cosign", ...args, ref], { env })).processors ?? 0;
    }
    const times = count / calls;
    const milliseconds = (performance.now() - before) * times;
    return { milliseconds, processors: processors * times, memory: undefined };
  };
  const http = ["--allow-http-registry", "--new-bundle-format=false"];
  const isV3 = cosign?.includes("v3") === true;
  const offline = ["--tlog-upload=false", "-y", ...(isV3 ? ["--use-signing-config=false"] : [])];
  const name = `cosign, ${calls} calls times ${count / calls}`;
  const peerOf = (...args: readonly string[]) =>
    cosign === undefined ? undefined : { name, run: () => byCosign(...args) };
  if (cosign === undefined) console.error(`sign: no cosign in ${peers}, so nothing to compare with`);
  return [
    {
      name: `sign ${count} packages with a key`,
      run: sign,
      peer: peerOf("sign", "--key", `${key}.key`, ...offline, ...http),
      rounds: 3,
      demands: [{ times: 1 / 20 }],
    },
    {
      name: `verify ${count} packages with a key`,
      run: () => own("signature", "verify", "--all", mirror, "--key", `${key}.pub`),
      peer: peerOf("verify", "--key", `${key}.pub`, "--insecure-ignore-tlog", ...http),
      rounds: 3,
      demands: [{ times: 1 / 20 }],
    },
    await installSigned(options, { scratch, key, host: registry.host }),
  ];
};

/** A store of its own for each round, so that everything is fetched, checked and unpacked. */
async function installSigned(
  options: { readonly short: boolean },
  { scratch, key, host }: { readonly scratch: string; readonly key: string; readonly host: string },
): Promise<Benchmark> {
  const { sysroot, storeRoot, specs, prefixes } = unpackStack(join(scratch, "machine"), options);
  const url = `oci+http://${host}/stack`;
  const configOf = (name: string, signed: boolean): string => {
    const folder = join(scratch, name);
    mkdirSync(folder);
    writeFileSync(join(folder, "mirrors.yaml"), JSON.stringify({ mirrors: { stack: { url, signed } } }));
    const trust = { mirrors: { stack: { keys: [`${key}.pub`] } } };
    writeFileSync(join(folder, "trust.yaml"), JSON.stringify({ trust }));
    return folder;
  };
  const [checked, unchecked] = [configOf("checked", true), configOf("unchecked", false)];
  const home = join(scratch, "installing");
  const env = { ...homeIn(home), COSIGN_PASSWORD: "bench" };
  const from = ["--store", storeRoot, "--sysroot", sysroot];
  await spend(
    [...stowage, "-C", checked, "buildcache", "push", ...from, "stack", ...specs, "--key", `${key}.key`],
    {
      env,
    },
  );
  rmSync(sysroot, { recursive: true });
  const install = (config: string) =>
    spend([...stowage, "-C", config, "install", "--store", join(home, "store"), ...specs], { env });
  return {
    name: `install ${prefixes.length} packages, each signature checked`,
    run: () => install(checked),
    peer: { name: "the same, unchecked", run: () => install(unchecked) },
    reset: () => rmSync(home, { recursive: true, force: true }),
    rounds: 9,
    demands: [{ times: 1.05 }],
  };
}
