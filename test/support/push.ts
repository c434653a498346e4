import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type PushOptions, type PushResult, push } from "../../src/app/push.js";
import { readEntry } from "../../src/buildcache/entry.js";
import { packageTags } from "../../src/buildcache/oci-cache.js";
import type { Repository } from "../../src/oci/repository.js";
import { cli } from "./cli.js";
import { scratchDirectory, spackRoot, unpackStore } from "./fixtures.js";

export interface PushingMachine extends Disposable {
  readonly path: string;
  readonly home: string;
  /** Where a path of the store is. */
  locate(path: string): string;
  /** Pushes from the store of this machine, reading no configuration but what is below `home`. */
  push(mirror: string, options?: PushOptions): Promise<PushResult>;
  /** The same by the built command, which `program` runs: `["setpriv", "--reuid=1000", …, "node"]`. */
  pushAs(program: readonly string[], mirror: string, ...args: readonly string[]): Promise<PushResult>;
}

/** A machine of its own, with the store that Spack 1.3 wrote and a home directory. */
export function pushingMachine(): PushingMachine {
  const scratch = scratchDirectory();
  const home = join(scratch.path, "home");
  const sysroot = join(scratch.path, "machine");
  for (const directory of [home, sysroot]) mkdirSync(directory);
  unpackStore(sysroot);
  const variables = {
    HOME: home,
    SPACK_USER_CONFIG_PATH: join(home, "spack"),
    SPACK_SYSTEM_CONFIG_PATH: join(home, "system"),
  };
  return {
    path: scratch.path,
    home,
    locate: (path) => join(sysroot, path),
    push: async (mirror, { env, ...options } = {}) =>
      await push(mirror, {
        home,
        store: spackRoot,
        sysroot,
        jobs: 2,
        env: { ...variables, ...env },
        ...options,
      }),
    pushAs: async ([program = "", ...before], mirror, ...args) => {
      const command = [cli, "buildcache", "push", "--store", spackRoot, "--sysroot", sysroot];
      const child = spawn(program, [...before, ...command, "--json", mirror, ...args], {
        env: { PATH: process.env["PATH"], ...variables },
        stdio: ["ignore", "pipe", "inherit"],
      });
      return JSON.parse(await text(child.stdout));
    },
    [Symbol.dispose]: () => scratch[Symbol.dispose](),
  };
}

/**
 * Reads all that the tags of a build cache name, so that each digest is checked; tags with the digests of their
 * manifests come back.
 */
export async function readWholeCache(repository: Repository): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const read = new Set<string>();
  for (const tag of (await packageTags(repository)).values()) {
    const entry = await readEntry(repository, tag);
    if (entry === undefined) throw new Error(`${tag} is listed, and not there`);
    found.set(tag, entry.manifest.descriptor.digest);
    for (const { descriptor } of entry.layers) {
      if (read.has(descriptor.digest)) continue;
      for await (const _ of repository.blobs.read(descriptor));
      read.add(descriptor.digest);
    }
  }
  return found;
}
