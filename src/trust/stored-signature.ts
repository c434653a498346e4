import { readAll } from "../base/bytes.js";
import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { algorithmOf, type Digest, hexOf } from "../oci/digest.js";
import { decodeImageManifest } from "../oci/manifest.js";
import { isImageManifest } from "../oci/media-types.js";
import { parseTag, type Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { type Bundle, decodeBundle, isBundleType } from "./bundle.js";
import { simpleSigningType } from "./claim.js";

/** Where a signature of cosign 2 is found: under a tag (`.sig`) made of the digest that it is for. */
export const signatureTag = (digest: Digest): Tag => parseTag(`${algorithmOf(digest)}-${hexOf(digest)}.sig`);

/** Tags of what accompanies a manifest, made of its digest: cosign's, and the list of referrers. */
export const isCompanionTag = (tag: Tag): boolean =>
  /^sha(256-[0-9a-f]{64}|512-[0-9a-f]{64,128})(\.(sig|att|sbom))?$/.test(tag);

/** A layer's annotation with the signature over that layer (cosign, specs/SIGNATURE_SPEC.md). */
export const signatureAnnotation = "dev.cosignproject.cosign/signature";

/** A signature as it is found beside an image: nothing of it is checked yet. */
export type StoredSignature = StoredPayload | StoredBundle;

/** cosign 1 and 2: the signature in an annotation, and what makes it trusted in others. */
export interface StoredPayload {
  readonly form: "payload";
  /** The blob's digest. */
  readonly digest: Digest;
  readonly payload: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
}

/** cosign 3: an envelope in a sigstore bundle. */
export interface StoredBundle {
  readonly form: "bundle";
  readonly digest: Digest;
  readonly bundle: Bundle;
}

/** What should be a signature and cannot be read as one. */
export interface BrokenSignature {
  readonly form: "broken";
  readonly failure: Failure;
}

/** Signatures are some hundred bytes, bundles some kilobytes, attestations some megabytes at most. */
export const signatureLimit = 16 * 1024 * 1024;
/** Whoever may write to a repository can add signatures without end; no more than these are looked at. */
const mostSignatures = 500;

/**
 * The signatures of a manifest, those of cosign 2 first. What cannot be read is among them, as it must not hide the
 * others; a registry that cannot be reached throws.
 */
export async function* readSignatures(
  repository: Repository,
  digest: Digest,
  call?: Call,
): AsyncIterable<StoredSignature | BrokenSignature> {
  let left = mostSignatures;
  for (const source of [readTagged, readBundles])
    for await (const found of source(repository, digest, call)) {
      checkInterrupted(call);
      if (left-- === 0) return;
      yield found;
    }
}

async function* readTagged(
  repository: Repository,
  digest: Digest,
  call?: Call,
): AsyncIterable<StoredSignature | BrokenSignature> {
  const tag = signatureTag(digest);
  const subject = `${repository.label}:${tag}`;
  const manifest = await guarded(() => repository.manifests.read(tag, call));
  if (manifest === undefined) return;
  if ("form" in manifest) return yield manifest;
  const image = await guarded(async () => decodeImageManifest(manifest));
  if ("form" in image) return yield image;
  for (const layer of image.layers) {
    if (layer.mediaType !== simpleSigningType) continue;
    const payload = await guarded(() =>
      readAll(repository.blobs.read(layer, call), { limit: signatureLimit, subject }),
    );
    yield "form" in payload
      ? payload
      : { form: "payload", digest: layer.digest, payload, annotations: layer.annotations ?? {} };
  }
}

/** Sigstore bundles that refer to a manifest: signatures and attestations. */
export async function* readBundles(
  repository: Repository,
  digest: Digest,
  call?: Call,
): AsyncIterable<StoredBundle | BrokenSignature> {
  const referrers = await guarded(() => repository.referrers(digest, call));
  if ("form" in referrers) return yield referrers;
  // Registries that keep the list by tag may have it from clients that leave the type out.
  const found = referrers.filter(
    ({ mediaType, artifactType }) =>
      isImageManifest(mediaType) && (artifactType === undefined || maybeBundle(artifactType)),
  );
  for (const { digest: at } of found.slice(0, mostSignatures)) {
    const bundle = await guarded(() => readBundle(repository, at, call));
    if (bundle !== undefined) yield bundle;
  }
}

/** cosign 3 in a registry without the API describes its referrers by their empty config. */
const maybeBundle = (artifactType: string): boolean =>
  isBundleType(artifactType) || artifactType === "application/vnd.oci.empty.v1+json";

async function readBundle(
  repository: Repository,
  digest: Digest,
  call?: Call,
): Promise<StoredBundle | undefined> {
  const manifest = await repository.manifests.read(digest, call);
  if (manifest === undefined) return undefined;
  const layer = decodeImageManifest(manifest).layers.find(({ mediaType }) => isBundleType(mediaType));
  if (layer === undefined) return undefined;
  const subject = `${repository.label}@${digest}`;
  const bytes = await readAll(repository.blobs.read(layer, call), { limit: signatureLimit, subject });
  return { form: "bundle", digest: layer.digest, bundle: decodeBundle(bytes, subject) };
}

/** What is damaged is a value; whatever else goes wrong is no word about signatures, and is thrown. */
export async function guarded<T>(read: () => Promise<T>): Promise<T | BrokenSignature> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.kind !== "corrupt" && error.code !== "oci.blob-missing" && error.code !== "oci.not-an-image")
      throw error;
    return { form: "broken", failure: error };
  }
}
