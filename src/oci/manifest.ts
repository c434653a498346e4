import * as v from "valibot";
import { utf8 } from "../base/bytes.js";
import { Failure } from "../base/failure.js";
import type { Descriptor, Platform } from "./descriptor.js";
import { digestOf, isDigest } from "./digest.js";
import { assertShape, invalidDocument, parseJson } from "./json.js";
import { isImageIndex, isImageManifest, mediaTypes } from "./media-types.js";
import type { Manifest } from "./repository.js";

type Annotations = Readonly<Record<string, string>>;

/** OCI image-spec 1.1, manifest.md; Docker's v2 schema 2 is read as one. */
export interface ImageManifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Annotations;
}

/** OCI image-spec 1.1, image-index.md; Docker's manifest list is read as one. */
export interface ImageIndex {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Annotations;
}

const annotations = v.record(v.string(), v.string());

const platform = v.looseObject({
  architecture: v.string(),
  os: v.string(),
  variant: v.exactOptional(v.string()),
  "os.version": v.exactOptional(v.string()),
  "os.features": v.exactOptional(v.array(v.string())),
});

const descriptor = v.looseObject({
  mediaType: v.string(),
  digest: v.custom<Descriptor["digest"]>(
    (text) => typeof text === "string" && isDigest(text),
    "it is no sha256 or sha512 digest",
  ),
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  annotations: v.exactOptional(annotations),
  artifactType: v.exactOptional(v.string()),
  platform: v.exactOptional(platform),
});

const common = {
  schemaVersion: v.literal(2),
  mediaType: v.exactOptional(v.string()),
  artifactType: v.exactOptional(v.string()),
  subject: v.exactOptional(descriptor),
  annotations: v.exactOptional(annotations),
};
// Where `layers` and `manifests` stand side by side, two readers see two images (CVE-2021-41190).
const imageManifest = v.looseObject({
  ...common,
  config: descriptor,
  layers: v.array(descriptor),
  manifests: v.exactOptional(v.never("a manifest has none")),
});
const imageIndex = v.looseObject({
  ...common,
  manifests: v.array(descriptor),
  layers: v.exactOptional(v.never("an index has none")),
});

/** Go's encoders write `null` for what is not there. Nothing that the schemas name is deeper than `depth`. */
function withoutNulls(value: unknown, depth = 5): unknown {
  if (typeof value !== "object" || value === null || depth === 0) return value;
  if (Array.isArray(value)) return value.map((item) => withoutNulls(item, depth - 1));
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => {
      if (item !== null) return [[key, withoutNulls(item, depth - 1)]];
      return key === "layers" || key === "manifests" ? [[key, []]] : [];
    }),
  );
}

function documentOf(manifest: Manifest, subject: string): unknown {
  const json = withoutNulls(parseJson(manifest.bytes, subject));
  const { mediaType } = manifest.descriptor;
  if (typeof json === "object" && json !== null && "mediaType" in json && json.mediaType !== mediaType)
    throw invalidDocument(subject, `was served as ${mediaType}, but calls itself ${String(json.mediaType)}`);
  return json;
}

/** @throws Failure `oci.document-invalid`; `oci.not-an-image` where it is of another kind */
export function decodeImageManifest(manifest: Manifest): ImageManifest {
  const { mediaType, digest } = manifest.descriptor;
  if (!isImageManifest(mediaType)) throw notAn("image manifest", mediaType, digest);
  const json = documentOf(manifest, digest);
  assertShape(imageManifest, json, digest);
  return json;
}

/** The index of a layout on disk, which is no manifest and has no media type or size limit of one. */
export function decodeLayoutIndex(bytes: Uint8Array, subject: string): ImageIndex {
  const json = withoutNulls(parseJson(bytes, subject, Number.POSITIVE_INFINITY));
  assertShape(imageIndex, json, subject);
  return json;
}

/** @throws Failure `oci.document-invalid`; `oci.not-an-image` where it is of another kind */
export function decodeImageIndex(manifest: Manifest): ImageIndex {
  const { mediaType, digest } = manifest.descriptor;
  if (!isImageIndex(mediaType)) throw notAn("image index", mediaType, digest);
  const json = documentOf(manifest, digest);
  assertShape(imageIndex, json, digest);
  return json;
}

function notAn(wanted: string, mediaType: string, subject: string): Failure {
  return new Failure("unsupported", `${subject} is ${mediaType}, not an ${wanted}`, {
    code: "oci.not-an-image",
    subject,
  });
}

/** What a manifest says about itself where its registry does not: its `mediaType`. */
export function mediaTypeOf(bytes: Uint8Array, subject: string): string | undefined {
  const json = parseJson(bytes, subject);
  if (typeof json !== "object" || json === null) return undefined;
  if ("mediaType" in json && typeof json.mediaType === "string") return json.mediaType;
  if ("manifests" in json) return mediaTypes.ociIndex;
  return "layers" in json && "config" in json ? mediaTypes.ociManifest : undefined;
}

/** A value as the bytes that are stored: compact JSON, keys in the order given. */
export function encodeManifest(value: ImageManifest | ImageIndex): Manifest {
  const bytes = utf8(JSON.stringify(value));
  const mediaType = value.mediaType ?? ("manifests" in value ? mediaTypes.ociIndex : mediaTypes.ociManifest);
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength }, bytes };
}

/** A manifest's entry in a list of referrers (distribution-spec 1.1, "Listing Referrers"). */
export function referrerOf(manifest: Manifest): { subject: Descriptor; entry: Descriptor } | undefined {
  const { mediaType } = manifest.descriptor;
  if (mediaType !== mediaTypes.ociManifest && mediaType !== mediaTypes.ociIndex) return undefined;
  const value =
    mediaType === mediaTypes.ociIndex ? decodeImageIndex(manifest) : decodeImageManifest(manifest);
  if (value.subject === undefined) return undefined;
  const artifactType = value.artifactType ?? ("config" in value ? value.config.mediaType : undefined);
  const { digest, size } = manifest.descriptor;
  return {
    subject: value.subject,
    entry: {
      mediaType,
      digest,
      size,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(value.annotations === undefined ? {} : { annotations: value.annotations }),
    },
  };
}

/**
 * The entry of an index that fits a platform best, as runtimes choose: same OS and architecture, and the
 * variant asked for; without one asked for, the variant that the architecture implies, else the first.
 */
export function choosePlatform(
  index: ImageIndex,
  wanted: Pick<Platform, "os" | "architecture" | "variant">,
): Descriptor | undefined {
  const fitting = index.manifests.filter(
    ({ platform }) => platform?.os === wanted.os && platform.architecture === wanted.architecture,
  );
  const implied = impliedVariants.get(wanted.architecture);
  const match = fitting.find(
    ({ platform }) => (platform?.variant ?? implied) === (wanted.variant ?? implied),
  );
  return match ?? (wanted.variant === undefined ? fitting[0] : undefined);
}

/** What an architecture without variant means (containerd's normalisation). */
const impliedVariants: ReadonlyMap<string, string> = new Map([
  ["arm64", "v8"],
  ["arm", "v7"],
  ["amd64", "v1"],
]);

/** Parses `os/architecture[/variant]`, as in `linux/arm64/v8`. @throws Failure `oci.platform-invalid` */
export function parsePlatform(text: string): Pick<Platform, "os" | "architecture" | "variant"> {
  const [, os, architecture, variant] = /^([a-z0-9]+)\/([a-z0-9_]+)(?:\/([a-z0-9.]+))?$/.exec(text) ?? [];
  if (os === undefined || architecture === undefined)
    throw new Failure("usage", `"${text}" is not a platform`, {
      code: "oci.platform-invalid",
      subject: text,
      hint: "Write os/architecture[/variant], as in linux/amd64.",
    });
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}
