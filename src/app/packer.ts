import { createReadStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Workers } from "../io/workers/pool.js";
import { parseDigest } from "../oci/digest.js";
import { mediaTypes } from "../oci/media-types.js";
import type { Packer } from "../push/packer.js";

export interface PackerOptions {
  /** Directory for layers on their way: each is removed as soon as it is sent. */
  readonly scratch: string;
  /** Where a path of the store is on this machine. */
  readonly locate: (path: string) => string;
  readonly level?: number | undefined;
}

/** Packs in worker threads, each layer into a file of its own: so it can be sent again, whatever its size. */
export function createPacker(workers: Workers, { scratch, locate, level }: PackerOptions): Packer {
  let packed = 0;
  return {
    async pack(request, call) {
      await mkdir(scratch, { recursive: true });
      const out = join(scratch, `${process.pid}-${packed++}.tar.gz`);
      const { prefix, storeRoot, spackPrefix, prefixes } = request;
      const summary = await workers.run(
        "pack",
        {
          prefix,
          directory: locate(prefix),
          out,
          level,
          distribution: {
            sbangInstallPath: `${storeRoot}/bin/sbang`,
            buildPath: storeRoot,
            spackPrefix,
            relativePrefix: prefix.startsWith(`${storeRoot}/`) ? prefix.slice(storeRoot.length + 1) : prefix,
            hashToPrefix: new Map(prefixes),
          },
        },
        call,
      );
      const descriptor = {
        mediaType: mediaTypes.ociLayerGzip,
        digest: parseDigest(summary.digest),
        size: summary.size,
      };
      return {
        content: { descriptor, open: () => createReadStream(out, { highWaterMark: 1024 * 1024 }) },
        diffId: parseDigest(summary.diffId),
        file: out,
        [Symbol.asyncDispose]: () => rm(out, { force: true }),
      };
    },
  };
}
