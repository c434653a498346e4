import { Failure } from "../base/failure.js";
import type { Layer } from "../buildcache/entry.js";
import type { Environment } from "../environment/environment.js";
import { hexOf } from "../oci/digest.js";
import type { SpecGraph } from "../spec/concrete-spec.js";
import { formatFull } from "../spec/format-concrete.js";
import { nodeOf } from "../spec/graph.js";
import { specFileOf } from "../spec/spec-file.js";
import type { BaseImage } from "./base-image.js";
import { type ComposedImage, composeImage, platformOf } from "./compose.js";

export interface PackageImageOptions {
  readonly base?: BaseImage | undefined;
  /** Dependencies' layers, then the package's own. */
  readonly layers: readonly Layer[];
  readonly environment: Environment;
  /** RFC 3339 time of the archive, where it shall be told; without it equal packages make equal images. */
  readonly created?: string | undefined;
}

/** The image that a package's tag names: runnable, and what Spack reads its spec and tarball from. */
export function composePackage(graph: SpecGraph, options: PackageImageOptions): ComposedImage {
  const { base, layers, environment, created } = options;
  const [root] = graph.roots;
  const own = layers.at(-1);
  if (root === undefined || own === undefined)
    throw new Error("a package's image needs a root and its layer");
  const spec = nodeOf(graph, root);
  const platform = platformOf(spec);
  if (
    base !== undefined &&
    (base.config.architecture !== platform.architecture || base.config.os !== platform.os)
  )
    throw new Failure(
      "unsupported",
      `the base image ${base.label} is for ${base.config.os}/${base.config.architecture}`,
      {
        code: "image.platform-wrong",
        subject: base.label,
        hint: `${spec.name}@${spec.version} needs ${platform.os}/${platform.architecture}.`,
      },
    );
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
      archive_compression: "gzip",
    },
    annotations: { "org.opencontainers.image.description": formatFull(spec) },
  });
}
