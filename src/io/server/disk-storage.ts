import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../base/clock.js";
import type { RepositoryName } from "../../oci/reference.js";
import type { Storage } from "../../server/storage.js";
import { diskFailure } from "../disk/disk-failure.js";
import { digestsIn } from "./blob-files.js";
import { type DiskIndex, openDiskIndex } from "./disk-index.js";
import { type DiskRoot, openDiskRepository } from "./disk-repository.js";
import { directoryOf, lockRoot, newPathOf, repositoriesIn, sharedPathOf } from "./root.js";

export interface DiskStorageOptions {
  readonly root: string;
  readonly clock: Pick<Clock, "now">;
  /** Told of what a crash or a damaged disk left broken, and of what could not be written at leisure. */
  readonly onError: (error: unknown) => void;
  /** What is dropped at the start is taken out of index.json at the end, though nothing else changes. */
  readonly repair?: boolean | undefined;
}

/**
 * Keeps repositories below a directory, each as an OCI image layout that other tools can read in place (what is
 * in which file: root.ts).
 * @throws Failure `server.root-in-use`
 */
export function openDiskStorage({ root, clock, onError, repair }: DiskStorageOptions): Storage {
  try {
    mkdirSync(join(root, "_new"), { recursive: true });
  } catch (error) {
    throw diskFailure(error, { doing: "serve", path: root, elsewhere: "with --root" });
  }
  const unlock = lockRoot(root);
  // What a crash left half-written has no name yet that anyone could ask for.
  for (const name of readdirSync(join(root, "_new"))) rmSync(join(root, "_new", name));

  const indices = new Map<RepositoryName, DiskIndex>();
  const shared: DiskRoot = {
    root,
    clock,
    hashes: new Map(),
    index(name, options) {
      const there = indices.get(name);
      if (there !== undefined) return there;
      const layout = directoryOf(root, name);
      if (!existsSync(join(layout, "oci-layout"))) {
        if (options?.make !== true) return undefined;
        makeLayout(layout, root);
      }
      const index = openDiskIndex(layout, { repair, onError });
      indices.set(name, index);
      return index;
    },
  };

  return {
    repositories: async () => repositoriesIn(root),
    repository: (name) => openDiskRepository(name, shared),
    async sweep(before) {
      const swept = { blobs: 0, uploads: 0, bytes: 0 };
      for (const digest of digestsIn(join(root, "_blobs"))) {
        const path = sharedPathOf(root, digest);
        const { nlink, mtimeMs, size } = statSync(path);
        if (nlink > 1 || mtimeMs >= before) continue;
        rmSync(path);
        swept.blobs += 1;
        swept.bytes += size;
      }
      return swept;
    },
    async close() {
      try {
        for (const index of indices.values()) await index.flush();
      } finally {
        unlock();
      }
    },
  };
}

/** An empty OCI image layout (image-spec 1.1, image-layout.md). Its oci-layout comes last, and makes it one. */
function makeLayout(layout: string, root: string): void {
  mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
  const write = (file: string, content: unknown): void => {
    const path = newPathOf(root);
    writeFileSync(path, JSON.stringify(content));
    renameSync(path, join(layout, file));
  };
  if (!existsSync(join(layout, "index.json"))) write("index.json", { schemaVersion: 2, manifests: [] });
  write("oci-layout", { imageLayoutVersion: "1.0.0" });
}
