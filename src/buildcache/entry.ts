import type { Compressor } from "../archive/compressor.js";
import { readAll } from "../base/bytes.js";
import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { Descriptor } from "../oci/descriptor.js";
import { type Digest, hexOf, parseDigest } from "../oci/digest.js";
import { decodeImageConfig, type ImageConfig } from "../oci/image-config.js";
import { decodeImageManifest, type ImageManifest } from "../oci/manifest.js";
import { mediaTypes } from "../oci/media-types.js";
import type { Tag } from "../oci/reference.js";
import type { Manifest, Repository } from "../oci/repository.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import { assertHash, type CheckedNodes } from "../spec/hash-check.js";
import { decodeSpecFile } from "../spec/spec-file.js";
import type { Entry } from "./source.js";
import { packageTag } from "./tag.js";

/** Largest config or manifest that is read: a config holds the whole spec graph, some MB for large environments. */
export const metadataLimit = 32 * 1024 * 1024;

/** Layouts of a pushed package that can be read (`buildcache_layout_version`). */
const readableLayouts = [1, 2, 3];

/** Media types of a package's own layer: others' archives are compressed otherwise, or are none. */
const readableLayers: readonly string[] = [
  mediaTypes.ociLayerGzip,
  mediaTypes.dockerLayerGzip,
  mediaTypes.ociLayerZstd,
];

/** A layer with the digest of its uncompressed bytes. */
export interface Layer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  /** What made it just now, where that is not what makes all others. */
  readonly compressor?: Compressor | undefined;
}

/** A package in an OCI build cache, with what its image is made of. */
export interface OciEntry extends Entry {
  readonly tag: Tag;
  readonly manifest: Manifest;
  readonly image: ImageManifest;
  readonly config: ImageConfig;
  /** Base image's layers, dependencies' layers, and the package's own last. */
  readonly layers: readonly Layer[];
}

/** Reads a config blob or other metadata of a bounded size. */
export async function readJson(
  repository: Repository,
  descriptor: Descriptor,
  call?: Call,
): Promise<Uint8Array> {
  const subject = `${repository.label}@${descriptor.digest}`;
  return readAll(repository.blobs.read(descriptor, call), { limit: metadataLimit, subject });
}

export const entryBroken = (subject: string, found: string, cause?: unknown): Failure =>
  new Failure("corrupt", `${subject} is not a package of a build cache: ${found}`, {
    code: "buildcache.entry-broken",
    subject,
    hint: "Push the package again with --force, or delete it.",
    cause,
  });

/**
 * The spec that a package's metadata tells of, with its own hash and that of all its nodes checked.
 * @throws Failure `buildcache.entry-broken`, `buildcache.layout-unknown`, `spec.hash-mismatch`
 */
export function decodePackage(
  metadata: Readonly<Record<string, unknown>>,
  { subject, checked }: { readonly subject: string; readonly checked?: CheckedNodes | undefined },
): { spec: ConcreteSpec; graph: SpecGraph } {
  const layout = metadata["buildcache_layout_version"];
  if (metadata["spec"] === undefined) throw entryBroken(subject, "its metadata has no spec");
  if (typeof layout !== "number" || !readableLayouts.includes(layout))
    throw new Failure("unsupported", `${subject} has build cache layout ${JSON.stringify(layout)}`, {
      code: "buildcache.layout-unknown",
      subject,
      hint: `This version reads layouts ${readableLayouts.join(", ")}.`,
    });
  const graph = decodeSpecFile({ spec: metadata["spec"] }, subject);
  for (const node of graph.nodes.values()) assertHash(node, { format: graph.format, subject, checked });
  const root = graph.roots[0];
  const spec = root === undefined ? undefined : graph.nodes.get(root);
  if (spec === undefined) throw entryBroken(subject, "its spec has no nodes");
  return { spec, graph };
}

/** The variables of a package's image name its prefix, which bears its hash. */
function prefixToldBy({ config }: ImageConfig, { hash }: ConcreteSpec): string | undefined {
  const path = new RegExp(`[=:](/[^:]*${hash}[^:/]*)`);
  return config?.Env?.map((variable) => path.exec(variable)?.[1]).find((prefix) => prefix !== undefined);
}

export interface ReadOptions extends Call {
  /** Shared by those that read many packages. */
  readonly checked?: CheckedNodes | undefined;
}

/** A package whose manifest was read, and not yet its config. */
interface FoundEntry {
  readonly config: Descriptor;
  read(): Promise<OciEntry>;
}

/**
 * Reads one package from a repository: two requests, its layer not among them.
 * @returns undefined where the repository has no such tag
 * @throws Failure `buildcache.entry-broken`, `buildcache.layer-unsupported`, `buildcache.layout-unknown`, `spec.*`
 */
export async function readEntry(
  repository: Repository,
  tag: Tag,
  call?: ReadOptions,
): Promise<OciEntry | undefined> {
  return (await findEntry(repository, tag, call))?.read();
}

/** The first half of `readEntry`: one request. */
export async function findEntry(
  repository: Repository,
  tag: Tag,
  call?: ReadOptions,
): Promise<FoundEntry | undefined> {
  checkInterrupted(call);
  const manifest = await repository.manifests.read(tag, call);
  if (manifest === undefined) return undefined;
  const subject = `${repository.label}:${tag}`;
  const image = decodeImageManifest(manifest);
  const own = image.layers.at(-1);
  if (own === undefined) throw entryBroken(subject, "it has no layer");
  if (!readableLayers.includes(own.mediaType))
    throw new Failure("unsupported", `${subject} has its package in a layer of type ${own.mediaType}`, {
      code: "buildcache.layer-unsupported",
      subject,
      hint: `Packages are read from layers of types ${readableLayers.join(", ")}.`,
    });
  const read = async (): Promise<OciEntry> => {
    const config = decodeImageConfig(await readJson(repository, image.config, call), subject);
    const diffIds = config.rootfs.diff_ids.map(parseDigest);
    if (diffIds.length !== image.layers.length)
      throw entryBroken(subject, `it has ${image.layers.length} layers and ${diffIds.length} diff ids`);
    const { spec, graph } = decodePackage(config, { subject, checked: call?.checked });
    if (packageTag(spec) !== tag)
      throw entryBroken(subject, `it holds ${spec.name}@${spec.version}/${spec.hash}`);
    const checksum = config["binary_cache_checksum"];
    const hash =
      typeof checksum === "object" && checksum !== null ? Reflect.get(checksum, "hash") : undefined;
    if (hash !== undefined && hash !== hexOf(own.digest))
      throw entryBroken(subject, `its config names the tarball ${String(hash)}, its manifest ${own.digest}`);
    return {
      label: repository.label,
      tag,
      manifest,
      image,
      config,
      spec,
      graph,
      madeIn: prefixToldBy(config, spec),
      layer: own,
      diffId: diffIds.at(-1),
      layers: image.layers.map((descriptor, i) => ({ descriptor, diffId: diffIds[i] as Digest })),
      open: (openCall) => repository.blobs.read(own, openCall ?? call),
    };
  };
  return { config: image.config, read };
}
