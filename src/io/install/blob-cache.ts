import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkInterrupted } from "../../base/call.js";
import type { BlobCache } from "../../install/blob-cache.js";
import { algorithmOf, type Digest, hexOf } from "../../oci/digest.js";
import { verified } from "../../oci/verified.js";
import { diskFailure, systemCodeOf } from "../disk/disk-failure.js";
import { keepLastUsed, listed, markUsed, statThere } from "../disk/last-used.js";

export interface BlobCacheOptions {
  /** Bytes to keep; the blobs used last stay (default 10 GiB). */
  readonly limit?: number | undefined;
  /** Spack's `source_cache`, laid out alike: read, never written. */
  readonly spackCache?: string | undefined;
}

const defaultLimit = 10 * 1024 ** 3;

/** Chunks come small from the network; so many bytes of them are written by one call. */
const writeSize = 1024 * 1024;

/** A temporary file older than this (milliseconds) belongs to a process that ended. */
const abandonedAfter = 24 * 3600 * 1000;

/**
 * Layers below `root`, an OCI image layout that other tools can read. Processes share it: a file appears by a
 * rename when it is complete, and is never changed.
 */
export function openBlobCache(
  root: string,
  { limit = defaultLimit, spackCache }: BlobCacheOptions = {},
): BlobCache {
  const pathIn = (directory: string, digest: Digest) =>
    join(directory, "blobs", algorithmOf(digest), hexOf(digest));
  const pathOf = (digest: Digest) => pathIn(root, digest);
  /** What was damaged in Spack's, which is not ours to mend. */
  const damaged = new Set<Digest>();
  let pruned: Promise<void> | undefined;

  return {
    obtain: async (content, call) => {
      checkInterrupted(call);
      const { digest, size } = content.descriptor;
      const path = pathOf(digest);
      if ((await sizeOf(path)) === size) {
        await markUsed(path);
        return { path, cached: true };
      }
      const theirs = spackCache === undefined || damaged.has(digest) ? undefined : pathIn(spackCache, digest);
      if (theirs !== undefined && (await sizeOf(theirs)) === size) return { path: theirs, cached: true };
      pruned ??= prune(root, limit);
      await pruned;
      const temporary = join(root, `incoming-${randomBytes(8).toString("hex")}`);
      try {
        await mkdir(join(root, "blobs", algorithmOf(digest)), { recursive: true });
        await writeFile(join(root, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}', { flag: "wx" }).catch(
          ifExists,
        );
        await writeFile(join(root, "index.json"), '{"schemaVersion":2,"manifests":[]}', { flag: "wx" }).catch(
          ifExists,
        );
        const file = await open(temporary, "wx");
        try {
          let waiting: Uint8Array[] = [];
          let held = 0;
          const flush = async () => {
            for (let rest = held; rest > 0; ) {
              const { bytesWritten } = await file.writev(waiting);
              rest -= bytesWritten;
              waiting = rest === 0 ? [] : [Buffer.concat(waiting).subarray(bytesWritten)];
            }
            held = 0;
          };
          for await (const chunk of verified(content.open(call), content.descriptor, digest)) {
            checkInterrupted(call);
            waiting.push(chunk);
            held += chunk.byteLength;
            if (held >= writeSize) await flush();
            call?.advanced?.(chunk.byteLength);
          }
          await flush();
        } finally {
          await file.close();
        }
        await rename(temporary, path);
        return { path, cached: false };
      } catch (error) {
        throw diskFailure(error, {
          doing: "write to the cache",
          path: root,
          elsewhere: "with $XDG_CACHE_HOME, or none with --no-cache",
        });
      } finally {
        await rm(temporary, { force: true });
      }
    },
    find: async ({ digest, size }) => {
      const path = pathOf(digest);
      return (await sizeOf(path)) === size ? path : undefined;
    },
    async forget({ descriptor: { digest } }) {
      damaged.add(digest);
      await rm(pathOf(digest), { force: true });
    },
  };
}

function ifExists(error: unknown): void {
  if (systemCodeOf(error) !== "EEXIST") throw error;
}

const sizeOf = async (path: string): Promise<number | undefined> => (await statThere(path))?.size;

/** Removes what was used longest ago, until the rest fits, and what ended processes left. */
async function prune(root: string, limit: number): Promise<void> {
  const now = Date.now();
  for (const name of await listed(root)) {
    const path = join(root, name);
    if (name.startsWith("incoming-") && now - ((await statThere(path))?.mtimeMs ?? now) > abandonedAfter)
      await rm(path, { force: true });
  }
  await keepLastUsed(join(root, "blobs", "sha256"), limit);
}
