import { X509Certificate } from "node:crypto";
import { type Call, checkInterrupted } from "../base/call.js";
import { isObject } from "../base/decode.js";
import { readAll } from "../base/bytes.js";
import type { Descriptor } from "../oci/descriptor.js";
import { algorithmOf, type Digest, hexOf } from "../oci/digest.js";
import { decodeImageManifest, type ImageManifest } from "../oci/manifest.js";
import { isImageManifest } from "../oci/media-types.js";
import { parseTag, type Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { decodeBundle, isBundleType } from "./bundle.js";
import { signPredicate, simpleSigningType } from "./claim.js";
import { keyAnnotation } from "./endorsement.js";
import { shortFingerprint } from "./key.js";
import { guarded, signatureLimit } from "./stored-signature.js";

/** Something that refers to a manifest. Nothing that it says of itself is checked. */
export interface Referrer {
  readonly kind: "signature" | "attestation" | "sbom" | "other";
  readonly digest: Digest;
  /** The tag by which it is found, where it does not refer by `subject`. */
  readonly tag: Tag | undefined;
  /** What it holds: `application/spdx+json`. */
  readonly type: string | undefined;
  /** Of an attestation. */
  readonly predicateTypes: readonly string[];
  /** Who signed, as far as the signature itself says: keys and identities. */
  readonly signers: readonly string[];
  /** ISO 8601, as it says itself. */
  readonly created: string | undefined;
  /** Bytes of all that it holds. */
  readonly size: number;
  /** Why it cannot be read. */
  readonly broken: string | undefined;
  readonly referrers: readonly Referrer[];
}

/** Signatures of SBOMs of images: deeper is nothing that anyone makes. */
const mostDepth = 5;
/** Whoever may write to a repository can attach without end. */
const mostReferrers = 1000;
/** cosign's tags, by their endings. */
const tagged = ["sig", "att", "sbom"] as const;

/** All that refers to a manifest, and to that in turn. */
export async function readReferrerTree(
  repository: Repository,
  digest: Digest,
  call?: Call,
): Promise<readonly Referrer[]> {
  const seen = new Set<Digest>([digest]);
  return walk(digest, 1);

  async function walk(subject: Digest, depth: number): Promise<readonly Referrer[]> {
    checkInterrupted(call);
    if (depth > mostDepth) return [];
    const found: Referrer[] = [];
    for (const ending of tagged) {
      const tag = parseTag(`${algorithmOf(subject)}-${hexOf(subject)}.${ending}`);
      const descriptor = await repository.manifests.stat(tag, call);
      if (descriptor !== undefined) await add({ descriptor, tag });
    }
    for (const descriptor of await repository.referrers(subject, call))
      await add({ descriptor, tag: undefined });
    return found;

    async function add(one: { descriptor: Descriptor; tag: Tag | undefined }): Promise<void> {
      const { digest } = one.descriptor;
      // A registry may list what it likes: also a manifest below itself.
      if (seen.has(digest) || seen.size > mostReferrers) return;
      seen.add(digest);
      const described = await describe(repository, one, call);
      found.push({ ...described, referrers: await walk(digest, depth + 1) });
    }
  }
}

type Described = Omit<Referrer, "referrers">;

async function describe(
  repository: Repository,
  { descriptor, tag }: { readonly descriptor: Descriptor; readonly tag: Tag | undefined },
  call?: Call,
): Promise<Described> {
  const bare: Described = {
    kind: "other",
    digest: descriptor.digest,
    tag,
    type: descriptor.artifactType ?? descriptor.mediaType,
    predicateTypes: [],
    signers: [],
    created: descriptor.annotations?.["org.opencontainers.image.created"],
    size: descriptor.size,
    broken: undefined,
  };
  if (!isImageManifest(descriptor.mediaType)) return bare;
  const image = await guarded(async () => {
    const manifest = await repository.manifests.read(descriptor.digest, call);
    return manifest === undefined ? undefined : decodeImageManifest(manifest);
  });
  if (image === undefined) return { ...bare, broken: "it is listed, and not there" };
  if ("form" in image) return { ...bare, broken: image.failure.message };
  const [first] = image.layers;
  const type = image.artifactType ?? first?.mediaType;
  const told = { ...bare, type, created: created(image) ?? bare.created, size: sizeOf(image) };
  if (tag?.endsWith(".sig") || first?.mediaType === simpleSigningType)
    return { ...told, kind: "signature", signers: signersOf(image) };
  if (tag?.endsWith(".att"))
    return {
      ...told,
      kind: "attestation",
      predicateTypes: image.layers.flatMap(({ annotations }) => annotations?.["predicateType"] ?? []),
      signers: signersOf(image),
    };
  if (tag?.endsWith(".sbom") || isSbomType(type)) return { ...told, kind: "sbom" };
  if (first === undefined || !isBundleType(first.mediaType)) return told;
  const bundle = await guarded(() => readSigner(repository, first, call));
  if (typeof bundle === "object" && "form" in bundle) return { ...told, broken: bundle.failure.message };
  const predicate = image.annotations?.["dev.sigstore.bundle.predicateType"];
  return {
    ...told,
    kind: predicate === undefined || predicate === signPredicate ? "signature" : "attestation",
    predicateTypes: predicate === undefined || predicate === signPredicate ? [] : [predicate],
    signers: bundle === undefined ? [] : [bundle],
  };
}

const isSbomType = (type: string | undefined): boolean =>
  type !== undefined && /^(?:application|text)\/(?:spdx|vnd\.cyclonedx|vnd\.syft)\b/.test(type);

const created = ({ annotations }: ImageManifest): string | undefined =>
  annotations?.["org.opencontainers.image.created"];

const sizeOf = ({ layers }: ImageManifest): number => layers.reduce((sum, { size }) => sum + size, 0);

/** Of cosign 2: an annotation with a certificate, or ours with the key's fingerprint. */
const signersOf = ({ layers }: ImageManifest): string[] => [
  ...new Set(
    layers.flatMap(({ annotations = {} }) => {
      const certificate = annotations["dev.sigstore.cosign/certificate"];
      if (certificate !== undefined && certificate !== "") return identityIn(certificate) ?? [];
      const key = annotations[keyAnnotation];
      return key?.startsWith("sha256:") ? [`key ${shortFingerprint(key)}`] : [];
    }),
  ),
];

async function readSigner(
  repository: Repository,
  layer: Descriptor,
  call?: Call,
): Promise<string | undefined> {
  const subject = `${repository.label}@${layer.digest}`;
  const bytes = await readAll(repository.blobs.read(layer, call), { limit: signatureLimit, subject });
  const { json, keyHint } = decodeBundle(bytes, subject);
  if (keyHint !== undefined)
    return `key ${keyHint.startsWith("sha256:") ? shortFingerprint(keyHint) : keyHint}`;
  const material = isObject(json) ? json["verificationMaterial"] : undefined;
  const certificate = isObject(material) ? material["certificate"] : undefined;
  const raw = isObject(certificate) ? certificate["rawBytes"] : undefined;
  return typeof raw === "string" ? identityIn(Buffer.from(raw, "base64")) : undefined;
}

/** Whom a certificate of Fulcio is for: an e-mail address, or the URI of a workflow. */
function identityIn(certificate: string | Uint8Array): string | undefined {
  try {
    return new X509Certificate(certificate).subjectAltName?.replace(/^(?:URI|email):/, "");
  } catch {
    // It is only shown: whether it is one is for those to say who verify it.
    return undefined;
  }
}
