import { utf8 } from "../base/bytes.js";
import type { JsonObject } from "../base/decode.js";
import { isObject } from "../base/decode.js";
import type { Layer } from "../buildcache/entry.js";
import type { Environment } from "../environment/environment.js";
import { formatEnvironment } from "../environment/environment.js";
import type { Descriptor } from "../oci/descriptor.js";
import { digestOf } from "../oci/digest.js";
import { mediaTypes } from "../oci/media-types.js";
import type { Manifest } from "../oci/repository.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { targetOf } from "../spec/target.js";
import type { BaseImage } from "./base-image.js";

/** Names that OCI gives to Spack's families of processors; others are the same in both. */
const architectures: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };

/** The platform of an image for a spec's target: `{os: "linux", architecture: "amd64"}`. */
export function platformOf({ platform, target }: ConcreteSpec): {
  readonly os: string;
  readonly architecture: string;
} {
  const { family } = targetOf(target);
  return { os: platform, architecture: architectures[family] ?? family };
}

export interface Composition {
  readonly base?: BaseImage | undefined;
  /** What comes over the base's layers, lowest first. */
  readonly layers: readonly Layer[];
  readonly platform: ReturnType<typeof platformOf>;
  readonly environment: Environment;
  /** More keys of the config, beside OCI's. */
  readonly config?: JsonObject | undefined;
  /** Of the manifest; Docker's format has none. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export interface ComposedImage {
  readonly manifest: Manifest;
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
}

/** An image of layers over a base, in the base's format (OCI's where there is none), as Spack writes it. */
export function composeImage(parts: Composition): ComposedImage {
  const { base, layers, environment } = parts;
  const docker = base?.manifest.descriptor.mediaType === mediaTypes.dockerManifest;
  const all = [...(base?.layers ?? []), ...layers];
  const root: JsonObject = base?.config ?? parts.platform;
  const settings = isObject(root["config"]) ? root["config"] : {};
  const configBytes = utf8(
    JSON.stringify({
      ...root,
      rootfs: { type: "layers", diff_ids: all.map((layer) => layer.diffId) },
      config: { ...settings, Env: formatEnvironment(environment) },
      ...parts.config,
    }),
  );
  const configDescriptor: Descriptor = {
    mediaType: docker ? mediaTypes.dockerConfig : mediaTypes.ociConfig,
    digest: digestOf(configBytes),
    size: configBytes.byteLength,
  };
  const manifestType = docker ? mediaTypes.dockerManifest : mediaTypes.ociManifest;
  const { annotations } = parts;
  const bytes = utf8(
    JSON.stringify({
      mediaType: manifestType,
      schemaVersion: 2,
      config: configDescriptor,
      layers: all.map(({ descriptor: { mediaType, digest, size } }) => ({
        mediaType: docker ? mediaTypes.dockerLayerGzip : ociLayerType(mediaType),
        digest,
        size,
      })),
      ...(docker || annotations === undefined ? {} : { annotations }),
    }),
  );
  return {
    manifest: {
      descriptor: { mediaType: manifestType, digest: digestOf(bytes), size: bytes.byteLength },
      bytes,
    },
    config: { descriptor: configDescriptor, bytes: configBytes },
  };
}

/** A layer first pushed under a Docker base is the same bytes under an OCI one. */
const ociLayerType = (mediaType: string): string =>
  mediaType === mediaTypes.dockerLayerGzip ? mediaTypes.ociLayerGzip : mediaType;
