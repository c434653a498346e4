import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { type Layer, readJson } from "../buildcache/entry.js";
import { parseDigest } from "../oci/digest.js";
import { decodeImageConfig, type ImageConfig } from "../oci/image-config.js";
import { choosePlatform, decodeImageIndex, decodeImageManifest } from "../oci/manifest.js";
import { isImageIndex } from "../oci/media-types.js";
import { type ImageReference, parseTag } from "../oci/reference.js";
import type { Manifest, Repository } from "../oci/repository.js";
import type { LayerContent } from "./layer-tools.js";

/** An image that others are built on. */
export interface BaseImage {
  readonly label: string;
  readonly repository: Repository;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  readonly layers: readonly Layer[];
}

export interface BaseImageOptions extends Call {
  /** As OCI names it: `amd64`. */
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string | undefined;
}

/**
 * Reads an image to build on; of an image for several platforms, the one for ours.
 * @throws Failure `image.base-missing`, `image.platform-missing`, `image.platform-wrong`
 */
export async function readBaseImage(
  repository: Repository,
  reference: ImageReference,
  { architecture, os, variant, ...call }: BaseImageOptions,
): Promise<BaseImage> {
  const wanted = reference.digest ?? reference.tag ?? parseTag("latest");
  const label = `${repository.label}${reference.digest === undefined ? ":" : "@"}${wanted}`;
  const read = async (at: typeof wanted): Promise<Manifest> => {
    const manifest = await repository.manifests.read(at, call);
    if (manifest !== undefined) return manifest;
    throw new Failure("not-found", `there is no base image ${label}`, {
      code: "image.base-missing",
      subject: label,
      hint:
        repository.registry === repository.label
          ? await tagsHint(repository, call)
          : "Check the name and tag; a private image needs `stowage login` or `docker login`.",
    });
  };
  let manifest = await read(wanted);
  if (isImageIndex(manifest.descriptor.mediaType)) {
    const platform = { architecture, os, ...(variant === undefined ? {} : { variant }) };
    const chosen = choosePlatform(decodeImageIndex(manifest), platform);
    if (chosen === undefined)
      throw new Failure("unsupported", `the base image ${label} has nothing for ${os}/${architecture}`, {
        code: "image.platform-missing",
        subject: label,
        hint: "Choose a base image for the platform of the packages.",
      });
    manifest = await read(chosen.digest);
  }
  const image = decodeImageManifest(manifest);
  const config = decodeImageConfig(await readJson(repository, image.config, call), label);
  const layers = image.layers.map((descriptor, i): Layer => {
    const diffId = config.rootfs.diff_ids[i];
    if (diffId !== undefined) return { descriptor, diffId: parseDigest(diffId) };
    throw new Failure("corrupt", `the base image ${label} has more layers than diff ids`, {
      code: "image.base-broken",
      subject: label,
    });
  });
  const base = { label, repository, manifest, config, layers };
  assertPlatform(base, { os, architecture });
  return base;
}

/** What a layout on disk has instead. */
async function tagsHint(repository: Repository, call: Call): Promise<string> {
  const tags: string[] = [];
  for await (const tag of repository.tags(call)) if (tags.length < 5) tags.push(tag);
  return `Name a tag, as in ${repository.label}:${tags[0] ?? "TAG"}; it has ${tags.join(", ") || "none"}.`;
}

/** Brings a base image's layers into the repository that needs them; what is there already is not sent. */
export async function copyLayers(base: BaseImage, to: Repository, call: Call = {}): Promise<void> {
  // Repositories of one registry can mount each other's blobs.
  const from = base.repository.registry === to.registry ? { from: base.repository.name } : {};
  await mapLimited(contentsOf(base), 4, async (content) => {
    await to.blobs.write(content, { ...call, ...from });
  });
}

/** A base image's layers with their bytes. */
export const contentsOf = ({ layers, repository }: BaseImage): LayerContent[] =>
  layers.map(({ descriptor, diffId }) => ({
    descriptor,
    diffId,
    open: (call) => repository.blobs.read(descriptor, call),
  }));

/** What an image says of the one it is built on (image-spec 1.1, annotations.md). */
export const baseAnnotations = ({ manifest, repository, label }: BaseImage): Record<string, string> => ({
  [baseDigest]: manifest.descriptor.digest,
  // A path of this machine says nothing elsewhere.
  ...(repository.registry === repository.label ? {} : { "org.opencontainers.image.base.name": label }),
});

export const baseDigest = "org.opencontainers.image.base.digest";

/** Annotations of an image that gets another base. */
export const withoutBase = (annotations: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(annotations).filter(([name]) => !name.startsWith("org.opencontainers.image.base.")),
  );

/**
 * Refuses a base image for another platform than the packages.
 * @throws Failure `image.platform-wrong`
 */
export function assertPlatform(
  { label, config }: BaseImage,
  { os, architecture }: { readonly os: string; readonly architecture: string },
): void {
  if (config.architecture === architecture && config.os === os) return;
  throw new Failure("unsupported", `the base image ${label} is for ${config.os}/${config.architecture}`, {
    code: "image.platform-wrong",
    subject: label,
    hint: `The packages need a base image for ${os}/${architecture}.`,
  });
}
