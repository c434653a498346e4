import { utf8 } from "../base/bytes.js";
import type { JsonObject } from "../base/decode.js";
import { isObject } from "../base/decode.js";
import { Failure } from "../base/failure.js";
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
  /** Of the manifest; in Docker's format, which has none, they become labels. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly settings?: ImageSettings | undefined;
}

/** How a container of the image starts; what is not given is the base's. */
export interface ImageSettings {
  readonly entrypoint?: readonly string[] | undefined;
  readonly cmd?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly workingDirectory?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

export interface ComposedImage {
  readonly manifest: Manifest;
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
}

/** @throws Failure `image.docker-zstd` where a layer cannot be in an image of the base's format */
export function assertFormat(base: BaseImage | undefined, mediaType: string): void {
  if (base === undefined || !isDocker(base) || mediaType !== mediaTypes.ociLayerZstd) return;
  throw new Failure("unsupported", `the base image ${base.label} is in Docker's format, which has no zstd`, {
    code: "image.docker-zstd",
    subject: base.label,
    hint: "Choose a base image in OCI's format (`skopeo copy --format oci` makes one), or push with gzip.",
  });
}

const isDocker = ({ manifest }: BaseImage): boolean =>
  manifest.descriptor.mediaType === mediaTypes.dockerManifest;

/**
 * An image of layers over a base, in the base's format (OCI's where there is none), as Spack writes it.
 * @throws Failure `image.docker-zstd`
 */
export function composeImage(parts: Composition): ComposedImage {
  const { base, layers, environment, annotations = {}, settings = {} } = parts;
  const docker = base !== undefined && isDocker(base);
  for (const { descriptor } of layers) assertFormat(base, descriptor.mediaType);
  const labels = { ...(docker ? annotations : {}), ...settings.labels };
  const root: JsonObject = base?.config ?? parts.platform;
  const configBytes = utf8(
    JSON.stringify({
      ...root,
      rootfs: {
        type: "layers",
        diff_ids: [...(base?.layers ?? []), ...layers].map((layer) => layer.diffId),
      },
      config: {
        ...settingsOver(isObject(root["config"]) ? root["config"] : {}, { ...settings, labels }),
        Env: formatEnvironment(environment),
      },
      ...parts.config,
    }),
  );
  const configDescriptor: Descriptor = {
    mediaType: docker ? mediaTypes.dockerConfig : mediaTypes.ociConfig,
    digest: digestOf(configBytes),
    size: configBytes.byteLength,
  };
  const manifestType = docker ? mediaTypes.dockerManifest : mediaTypes.ociManifest;
  const asLayer = ({ mediaType, digest, size }: Descriptor): Descriptor => ({ mediaType, digest, size });
  const bytes = utf8(
    JSON.stringify({
      mediaType: manifestType,
      schemaVersion: 2,
      config: configDescriptor,
      layers: [
        ...(base?.layers ?? []).map(({ descriptor }) => asLayer(descriptor)),
        // A layer first pushed under a base of the other format is the same bytes under this one.
        ...layers.map(({ descriptor }) =>
          asLayer({
            ...descriptor,
            mediaType: docker ? mediaTypes.dockerLayerGzip : ociLayerType(descriptor),
          }),
        ),
      ],
      ...(docker || Object.keys(annotations).length === 0 ? {} : { annotations }),
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

/** A base's settings with those of the image; a new entry point does not get the base's arguments. */
function settingsOver(base: JsonObject, settings: ImageSettings): JsonObject {
  const { Cmd, ...rest } = base;
  const { entrypoint, cmd, user, workingDirectory, labels = {} } = settings;
  const arguments_ = cmd ?? (entrypoint === undefined ? Cmd : undefined);
  const old = isObject(base["Labels"]) ? base["Labels"] : {};
  return {
    ...rest,
    ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
    ...(arguments_ === undefined ? {} : { Cmd: arguments_ }),
    ...(user === undefined ? {} : { User: user }),
    ...(workingDirectory === undefined ? {} : { WorkingDir: workingDirectory }),
    ...(Object.keys(labels).length === 0 ? {} : { Labels: { ...old, ...labels } }),
  };
}

const ociLayerType = ({ mediaType }: Descriptor): string =>
  mediaType === mediaTypes.dockerLayerGzip ? mediaTypes.ociLayerGzip : mediaType;
