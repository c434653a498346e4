import { createReadStream } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Compressor, defaultCompressor, isDefault, typeOf } from "../archive/compressor.js";
import type { Call } from "../base/call.js";
import { isObject } from "../base/decode.js";
import { Failure } from "../base/failure.js";
import type { Layer } from "../buildcache/entry.js";
import { aliasRecordName } from "../install/alias.js";
import { systemCodeOf } from "../io/disk/disk-failure.js";
import { openBlobCache } from "../io/install/blob-cache.js";
import { loadLibdeflate } from "../io/workers/libdeflate.js";
import type { Workers } from "../io/workers/pool.js";
import { parseDigest } from "../oci/digest.js";
import { mediaTypes } from "../oci/media-types.js";
import type { PackedLayer, Packer, PackRequest } from "../push/packer.js";
import type { DagHash } from "../spec/dag-hash.js";
import { decodeLayer, type LayerOrigin, openLayerRecords } from "./layer-records.js";
import { openScratch } from "./scratch.js";

export interface PackerOptions {
  /** Where downloads are kept, layers on their way to a registry, and the memory of what was packed. */
  readonly cacheRoot: string;
  /** Where a path of the store is on this machine. */
  readonly locate: (path: string) => string;
  readonly compressor?: Compressor | undefined;
  /** Make each layer anew. */
  readonly force?: boolean | undefined;
}

/** Packs in worker threads, each layer into a file of its own: so it can be sent again, whatever its size. */
export async function createPacker(workers: Workers, options: PackerOptions): Promise<Packer> {
  const { cacheRoot, locate, compressor = defaultCompressor, force = false } = options;
  // Told before anything is packed.
  if (compressor.engine === "libdeflate") loadLibdeflate();
  const type = typeOf(compressor);
  const told = isDefault(compressor) ? {} : { compressor };
  const scratch = await openScratch(join(cacheRoot, "push"));
  const records = openLayerRecords(join(cacheRoot, "layers"));

  /** What `recall` saw, for the `pack` that follows: a prefix is walked once. */
  const seen = new Map<DagHash, LayerOrigin>();

  async function originOf(request: PackRequest, call: Call | undefined): Promise<LayerOrigin> {
    const fingerprint = await workers.run("fingerprint", locate(request.prefix), call);
    return { request, fingerprint, compressor };
  }

  /** What a package was installed from, where that is what would be made of it, but for when and by whom. */
  async function original({ request, fingerprint }: LayerOrigin): Promise<Layer | undefined> {
    if (force || !isDefault(compressor)) return undefined;
    return await records.findInstalled({ hash: request.hash, fingerprint });
  }

  return {
    async recall(request, call) {
      const aliased = await aliasedFrom(locate(request.prefix));
      if (aliased !== undefined) return aliased.layer;
      if (force) return undefined;
      const origin = await originOf(request, call);
      seen.set(request.hash, origin);
      return (await original(origin)) ?? (await records.find(origin));
    },
    async pack(request, call) {
      const aliased = await aliasedFrom(locate(request.prefix));
      if (aliased !== undefined) {
        const kept = await downloaded(aliased.layer, cacheRoot);
        if (kept === undefined) throw cannotPack(request);
        return kept;
      }
      const origin = seen.get(request.hash) ?? (await originOf(request, call));
      seen.delete(request.hash);
      const kept = await downloaded(await original(origin), cacheRoot);
      if (kept !== undefined) return kept;
      const out = scratch.newPath(type === "zstd" ? ".tar.zst" : ".tar.gz");
      const { prefix, storeRoot, spackPrefix, prefixes } = request;
      const summary = await workers.run(
        "pack",
        {
          prefix,
          directory: locate(prefix),
          out,
          compressor,
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
        mediaType: type === "zstd" ? mediaTypes.ociLayerZstd : mediaTypes.ociLayerGzip,
        digest: parseDigest(summary.digest),
        size: summary.size,
      };
      const diffId = parseDigest(summary.diffId);
      await records.keep(origin, { descriptor, diffId, ...told });
      return {
        content: { descriptor, open: () => createReadStream(out, { highWaterMark: 1024 * 1024 }) },
        diffId,
        ...told,
        file: out,
        [Symbol.asyncDispose]: () => rm(out, { force: true }),
      };
    },
  };
}

/**
 * The layer that a package with aliases was installed from; undefined for all others. What was replaced by an alias
 * cannot be relocated by anybody again, so it must not be packed.
 */
async function aliasedFrom(directory: string): Promise<{ readonly layer: Layer | undefined } | undefined> {
  const path = join(directory, aliasRecordName);
  try {
    const record: unknown = JSON.parse(await readFile(path, "utf8"));
    return { layer: isObject(record) ? decodeLayer(record["layer"]) : undefined };
  } catch (error) {
    // No such file: the rule. What else is wrong with the prefix is said when it is packed.
    if (["ENOENT", "ENOTDIR", "EACCES"].includes(systemCodeOf(error) ?? "")) return undefined;
    if (error instanceof SyntaxError) return { layer: undefined };
    throw error;
  }
}

/** A layer as it was downloaded, where it is still there. */
async function downloaded(layer: Layer | undefined, cacheRoot: string): Promise<PackedLayer | undefined> {
  const file = layer && (await openBlobCache(cacheRoot).find(layer.descriptor));
  if (layer === undefined || file === undefined) return undefined;
  return {
    content: { descriptor: layer.descriptor, open: () => createReadStream(file) },
    diffId: layer.diffId,
    file,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

const cannotPack = ({ subject, prefix }: PackRequest): Failure =>
  new Failure(
    "unsupported",
    `${subject} was relocated with aliases, so it cannot be packed again, and the layer that it was ` +
      "installed from is neither in the mirror nor in the cache",
    {
      code: "push.aliased",
      subject: prefix,
      hint: "Copy it from the build cache that it came from, or push it where it was built.",
    },
  );
