import { createHash } from "node:crypto";
import { createReadStream, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { ociCache } from "../../src/buildcache/oci-cache.js";
import type { EntryRequest } from "../../src/buildcache/source.js";
import { finishPackage } from "../../src/install/finish.js";
import type { InstallOptions, InstallWorkers } from "../../src/install/install-package.js";
import { type InstallResult, installPackages } from "../../src/install/installer.js";
import { materialize } from "../../src/install/materialize.js";
import { type InstallRequest, planInstall } from "../../src/install/plan.js";
import { verifyPrefix } from "../../src/install/verify.js";
import { openBlobCache } from "../../src/io/install/blob-cache.js";
import { installFiles } from "../../src/io/install/files.js";
import { openLayout } from "../../src/io/registry/layout.js";
import { openStore, type StoreOptions } from "../../src/io/store/disk-store.js";
import type { Repository } from "../../src/oci/repository.js";
import { systemClock } from "../../src/io/system/clock.js";

/** The hot loops, in this thread. */
export const localWorkers: InstallWorkers = {
  materialize: (job, call) =>
    materialize(job, { ...call, files: installFiles, open: () => createReadStream(job.archive) }),
  finish: async (job) => finishPackage(job, installFiles),
  verify: async (prefix) => verifyPrefix(prefix, installFiles),
};

export interface FromLayout extends InstallOptions, Pick<InstallRequest, "only" | "overwrite" | "freeBytes"> {
  /** A build cache: an OCI image layout, or any repository. */
  readonly layout: string | Repository;
  readonly root: string;
  readonly cache: string;
  readonly roots: readonly EntryRequest[];
  readonly store?: StoreOptions | undefined;
  readonly workers?: InstallWorkers | undefined;
}

export async function installFrom(options: FromLayout): Promise<InstallResult> {
  const store = await openStore(options.root, options.store);
  const { layout } = options;
  const repository = typeof layout === "string" ? await openLayout(layout) : layout;
  const plan = await planInstall({
    roots: options.roots,
    sources: [ociCache(repository)],
    database: await store.readDatabase(),
    layout: store.layout,
    only: options.only,
    overwrite: options.overwrite,
    freeBytes: options.freeBytes,
  });
  const tools = {
    store,
    cache: openBlobCache(options.cache),
    workers: options.workers ?? localWorkers,
    clock: systemClock,
  };
  return await installPackages(plan, tools, options);
}

/** What stands below a root, as `relocated-by-spack.json` has it: metadata left out. */
export function listTree(root: string): Record<string, object> {
  const found: Record<string, object> = {};
  const walk = (below: string) => {
    for (const entry of readdirSync(join(root, below), { withFileTypes: true })) {
      const name = below === "" ? entry.name : `${below}/${entry.name}`;
      const path = join(root, name);
      if (entry.name.startsWith(".spack") || entry.name === ".stowage-staging" || name === "bin") continue;
      if (entry.isDirectory()) walk(name);
      else if (entry.isSymbolicLink()) found[name] = { link: readlinkSync(path) };
      else {
        const { mode, nlink } = lstatSync(path);
        const sha256 = createHash("sha256").update(readFileSync(path)).digest("hex");
        found[name] = { mode: `0o${(mode & 0o7777).toString(8)}`, nlink, sha256 };
      }
    }
  };
  walk("");
  return found;
}
