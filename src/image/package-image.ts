import type { Compressor } from "../archive/compressor.js";
import type { JsonObject } from "../base/decode.js";
import type { Layer, OciEntry } from "../buildcache/entry.js";
import type { Environment } from "../environment/environment.js";
import { hexOf } from "../oci/digest.js";
import type { ImageConfig } from "../oci/image-config.js";
import { mediaTypes } from "../oci/media-types.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import { formatFull } from "../spec/format-concrete.js";
import { nodeOf } from "../spec/graph.js";
import { specFileOf } from "../spec/spec-file.js";
import { assertPlatform, type BaseImage, baseAnnotations, baseDigest } from "./base-image.js";
import { layeredPackages } from "./closure.js";
import { type ComposedImage, composeImage, platformOf } from "./compose.js";

export interface PackageImageOptions {
  readonly base?: BaseImage | undefined;
  /** Dependencies' layers, then the package's own. */
  readonly layers: readonly Layer[];
  /** Of the package's own, where it is not what compresses all others. */
  readonly compressor?: Compressor | undefined;
  readonly environment: Environment;
  /** RFC 3339 time of the archive, where it shall be told; without it equal packages make equal images. */
  readonly created?: string | undefined;
  /** SPDX expression, where the recipe tells it. */
  readonly license?: string | undefined;
  readonly homepage?: string | undefined;
}

/** The image that a package's tag names: runnable, and what Spack reads its spec and tarball from. */
export function composePackage(graph: SpecGraph, options: PackageImageOptions): ComposedImage {
  const { base, layers, compressor, environment, created, license, homepage } = options;
  const [root] = graph.roots;
  const own = layers.at(-1);
  if (root === undefined || own === undefined)
    throw new Error("a package's image needs a root and its layer");
  const spec = nodeOf(graph, root);
  const platform = platformOf(spec);
  if (base !== undefined) assertPlatform(base, platform);
  return composeImage({
    base,
    layers,
    platform,
    environment,
    config: {
      ...specFileOf(graph),
      buildcache_layout_version: 2,
      binary_cache_checksum: { hash_algorithm: "sha256", hash: hexOf(own.descriptor.digest) },
      archive_size: own.descriptor.size,
      ...(created === undefined ? {} : { archive_timestamp: created }),
      archive_compression: own.descriptor.mediaType === mediaTypes.ociLayerZstd ? "zstd" : "gzip",
      ...(compressor === undefined ? {} : { stowage_compressor: { ...compressor } }),
    },
    annotations: {
      ...packageAnnotations(spec),
      ...(license === undefined ? {} : { "org.opencontainers.image.licenses": license }),
      ...(homepage === undefined ? {} : { "org.opencontainers.image.url": homepage }),
      ...(created === undefined ? {} : { "org.opencontainers.image.created": created }),
      ...(base === undefined ? {} : baseAnnotations(base)),
    },
  });
}

/** What registries show of a package (image-spec 1.1, annotations.md); the description is Spack's. */
const packageAnnotations = (spec: ConcreteSpec): Record<string, string> => ({
  "org.opencontainers.image.description": formatFull(spec),
  "org.opencontainers.image.title": spec.name,
  "org.opencontainers.image.version": spec.version,
});

/** Keys of a package's config that are Spack's, and one of ours, beside OCI's. */
const packageKeys = [
  "spec",
  "buildcache_layout_version",
  "binary_cache_checksum",
  "archive_size",
  "archive_timestamp",
  "archive_compression",
  "stowage_compressor",
];

/** What makes an image a package: to be kept when the rest of it is composed anew. */
export const packageConfig = (config: ImageConfig): JsonObject =>
  Object.fromEntries(packageKeys.flatMap((key) => (config[key] === undefined ? [] : [[key, config[key]]])));

/**
 * Whether a package's image is built on another, so runs. Older stowage and Spack do not tell: there the base's
 * config shows, which has more than a package's.
 */
export function hasBase({ config, image, graph }: OciEntry): boolean {
  const plain = new Set([...packageKeys, "architecture", "os", "rootfs", "config"]);
  return (
    image.annotations?.[baseDigest] !== undefined ||
    Object.keys(config).some((key) => !plain.has(key)) ||
    Object.keys(config.config ?? {}).some((key) => key !== "Env") ||
    image.layers.length > layeredPackages(graph).length
  );
}
