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

/** What a layer's bytes depend on. */
export interface LayerOrigin {
  readonly request: PackRequest;
  /** Of all that is in the prefix. */
  readonly fingerprint: string;
  readonly compressor: Compressor;
}

/** Which layer was made of what, so that it need not be made again. */
export interface LayerRecords {
  find(origin: LayerOrigin): Promise<Layer | undefined>;
  keep(origin: LayerOrigin, layer: Layer): Promise<void>;
}

/** To be raised when equal prefixes make other layers. */
const format = 2;

/** Bytes of records that are kept, of some 200 each. */
const keptLimit = 4 * 1024 * 1024;

export function openLayerRecords(directory: string): LayerRecords {
  let pruned: Promise<void> | undefined;
  const pathOf = ({ request, fingerprint, compressor: { engine, level } }: LayerOrigin): string =>
    join(
      directory,
      createHash("sha256")
        .update(JSON.stringify([format, engine, level, fingerprint, request]))
        .digest("hex"),
    );
  return {
    async find(origin) {
      const path = pathOf(origin);
      try {
        const layer = decodeLayer(JSON.parse(await readFile(path, "utf8")));
        await markUsed(path);
        if (layer === undefined || isDefault(origin.compressor)) return layer;
        return { ...layer, compressor: origin.compressor };
      } catch (error) {
        // One that is not whole is none.
        if (systemCodeOf(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
        throw diskFailure(error, { doing: "read", path });
      }
    },
    async keep(origin, { descriptor: { mediaType, digest, size }, diffId }) {
      await mkdir(directory, { recursive: true });
      await writeAtomically(pathOf(origin), JSON.stringify({ mediaType, digest, size, diffId }));
      pruned ??= keepLastUsed(directory, keptLimit);
      await pruned;
    },
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
