// Installs a real Python stack (14 packages, 6,700 files, 284 MB) as a user does, beside GNU tar on the same layers.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readEntry } from "../src/buildcache/entry.js";
import { packageTags } from "../src/buildcache/oci-cache.js";
import { openHttpClient } from "../src/io/http-client/http-client.js";
import { openRemoteRepository } from "../src/io/registry/remote.js";
import { systemClock, systemRandom } from "../src/io/system/clock.js";
import { parseRegistryUrl } from "../src/oci/reference.js";
import { unpackStack } from "./data/stack.js";
import type { Benchmark, Prepare } from "./harness.js";
import { homeIn, isInstalled, nothing, spend, stowage } from "./support/command.js";
import { type RunningRegistry, startDockerRegistry, startOurRegistry } from "./support/registries.js";
import { scratchFolder } from "./support/scratch.js";

export const prepare: Prepare = async (options) => {
  const scratch = scratchFolder();
  const stack = unpackStack(join(scratch, "machine"), options);
  const ours = await startOurRegistry(join(scratch, "ours"));
  const registries = [ours];
  if (isInstalled("docker-registry")) registries.unshift(await startDockerRegistry(join(scratch, "theirs")));
  else console.error("install: docker-registry is missing, only our registry is asked");
  const home = join(scratch, "home");
  for (const registry of registries) {
    const push = ["buildcache", "push", "--store", stack.storeRoot, "--sysroot", stack.sysroot];
    await spend([...stowage, ...push, mirrorAt(registry), ...stack.specs], { env: homeIn(home) });
  }
  const layers = await saveLayers(ours, join(scratch, "layers"));
  rmSync(stack.sysroot, { recursive: true });
  const list = join(scratch, "layers.txt");
  writeFileSync(list, layers.join("\n"));

  const install = (registry: RunningRegistry, folder: string) =>
    spend(
      [
        ...stowage,
        "install",
        "--store",
        join(folder, "store"),
        "--mirror",
        mirrorAt(registry),
        ...stack.specs,
      ],
      {
        env: homeIn(join(folder, "home")),
      },
    );
  const benchmarkIn = (folder: string, where: string, registry: RunningRegistry): Benchmark => {
    const target = join(folder, "target");
    return {
      name: `install ${layers.length} packages by hash from ${registry.name} ${where}`,
      run: () => install(registry, target),
      peer: {
        name: "tar -xzf, two at a time",
        program: "xargs",
        run: () => {
          mkdirSync(target);
          return spend(["xargs", "-a", list, "-P2", "-n1", "tar", "-C", target, "-xzf"]);
        },
      },
      reset: () => rmSync(target, { recursive: true }),
      demands: [{ times: 1 }, { memory: 300e6 }],
      rounds: 5,
    };
  };
  const again = join(scratch, "again");
  await install(ours, again);
  return [
    ...registries.map((registry) => benchmarkIn(scratch, "on tmpfs", registry)),
    benchmarkIn(scratchFolder({ onDisk: true }), "on disk", ours),
    {
      name: "install what is installed",
      run: () => install(ours, again),
      peer: { name: "node -e 0", run: () => spend(nothing) },
      demands: [{ times: 3 }],
    },
  ];
};

const mirrorAt = ({ host }: RunningRegistry): string => `oci+http://${host}/bench`;

/** The archives of all packages, the largest first. */
async function saveLayers(registry: RunningRegistry, folder: string): Promise<readonly string[]> {
  mkdirSync(folder);
  await using client = openHttpClient({ clock: systemClock, random: systemRandom });
  const repository = openRemoteRepository(parseRegistryUrl(mirrorAt(registry)), client);
  const saved: { path: string; size: number }[] = [];
  for (const tag of (await packageTags(repository)).values()) {
    const entry = await readEntry(repository, tag);
    if (entry === undefined) throw new Error(`${tag} is gone`);
    const path = join(folder, `${tag}.tar.gz`);
    await writeFile(path, entry.open());
    saved.push({ path, size: entry.layer.size });
  }
  return saved.toSorted((a, b) => b.size - a.size).map(({ path }) => path);
}
