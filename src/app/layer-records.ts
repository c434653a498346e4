import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Compressor, isDefault } from "../archive/compressor.js";
import { isObject } from "../base/decode.js";
import type { Layer } from "../buildcache/entry.js";
import { writeAtomically } from "../io/disk/atomic.js";
import { diskFailure, systemCodeOf } from "../io/disk/disk-failure.js";
import { keepLastUsed, markUsed } from "../io/disk/last-used.js";
import { isDigest } from "../oci/digest.js";
import { mediaTypes } from "../oci/media-types.js";
import type { PackRequest } from "../push/packer.js";
import type { DagHash } from "../spec/dag-hash.js";

/** What a layer's bytes depend on. */
export interface LayerOrigin {
  readonly request: PackRequest;
  /** Of all that is in the prefix. */
  readonly fingerprint: string;
  readonly compressor: Compressor;
}

/** A package as it was installed, of which nothing was changed since. */
export interface InstalledOrigin {
  readonly hash: DagHash;
  /** Of all that is in the prefix. */
  readonly fingerprint: string;
}

/** Which layer was made of what, so that it need not be made again. */
export interface LayerRecords {
  find(origin: LayerOrigin): Promise<Layer | undefined>;
  keep(origin: LayerOrigin, layer: Layer): Promise<void>;
  /** The layer that a package was installed from, where it is as it was built. */
  findInstalled(origin: InstalledOrigin): Promise<Layer | undefined>;
  keepInstalled(origin: InstalledOrigin, layer: Layer): Promise<void>;
}

/** To be raised when equal prefixes make other layers. */
const format = 2;

/** Bytes of records that are kept, of some 200 each. */
const keptLimit = 4 * 1024 * 1024;

export function openLayerRecords(directory: string): LayerRecords {
  let pruned: Promise<void> | undefined;
  const pathOf = (key: readonly unknown[]): string =>
    join(
      directory,
      createHash("sha256")
        .update(JSON.stringify([format, ...key]))
        .digest("hex"),
    );
  const made = ({ request, fingerprint, compressor: { engine, level } }: LayerOrigin): string =>
    pathOf([engine, level, fingerprint, request]);
  const installed = ({ hash, fingerprint }: InstalledOrigin): string =>
    pathOf(["installed", hash, fingerprint]);

  async function find(path: string): Promise<Layer | undefined> {
    try {
      const layer = decodeLayer(JSON.parse(await readFile(path, "utf8")));
      await markUsed(path);
      return layer;
    } catch (error) {
      // One that is not whole is none.
      if (systemCodeOf(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
      throw diskFailure(error, { doing: "read", path });
    }
  }
  async function keep(path: string, { descriptor, diffId }: Layer): Promise<void> {
    const { mediaType, digest, size } = descriptor;
    try {
      await mkdir(directory, { recursive: true });
    } catch (error) {
      throw diskFailure(error, { doing: "write", path: directory });
    }
    await writeAtomically(path, JSON.stringify({ mediaType, digest, size, diffId }));
    pruned ??= keepLastUsed(directory, keptLimit);
    await pruned;
  }

  return {
    async find(origin) {
      const layer = await find(made(origin));
      if (layer === undefined || isDefault(origin.compressor)) return layer;
      return { ...layer, compressor: origin.compressor };
    },
    keep: (origin, layer) => keep(made(origin), layer),
    findInstalled: (origin) => find(installed(origin)),
    keepInstalled: (origin, layer) => keep(installed(origin), layer),
  };
}

/** A layer as records and `.spack/stowage.json` have it; undefined where it is none. */
export function decodeLayer(json: unknown): Layer | undefined {
  if (!isObject(json)) return undefined;
  const { digest, size, diffId } = json;
  const mediaType =
    json["mediaType"] === mediaTypes.ociLayerZstd ? mediaTypes.ociLayerZstd : mediaTypes.ociLayerGzip;
  if (typeof digest !== "string" || !isDigest(digest) || typeof diffId !== "string" || !isDigest(diffId))
    return undefined;
  if (typeof size !== "number" || !Number.isSafeInteger(size)) return undefined;
  return { descriptor: { mediaType, digest, size }, diffId };
}
