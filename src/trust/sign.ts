import { utf8 } from "../base/bytes.js";
import type { Call } from "../base/call.js";
import type { Clock, Random } from "../base/clock.js";
import { Failure } from "../base/failure.js";
import { contentOf } from "../oci/content.js";
import type { Content, Descriptor } from "../oci/descriptor.js";
import { decodeImageManifest, encodeManifest } from "../oci/manifest.js";
import { mediaTypes } from "../oci/media-types.js";
import type { Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { bundleType } from "./bundle.js";
import {
  type Annotations,
  claimKeys,
  encodePayload,
  encodeStatement,
  type Statement,
  signPredicate,
  simpleSigningType,
  statementType,
} from "./claim.js";
import { keyAnnotation } from "./endorsement.js";
import type { Signer } from "./signer.js";
import { signatureAnnotation, signatureTag } from "./stored-signature.js";

/** `cosign2`: payloads below a `.sig` tag; `cosign3`: sigstore bundles that refer to the manifest. */
export const signatureFormats = ["cosign2", "cosign3"] as const;
export type SignatureFormat = (typeof signatureFormats)[number];

export interface SignTools {
  readonly signer: Signer;
  readonly formats: readonly SignatureFormat[];
  readonly clock: Clock;
  readonly random: Random;
}

export interface ToSign {
  readonly subject: Descriptor;
  /** `domain/name[:tag]` that it is to be found under. */
  readonly reference: string;
  readonly annotations?: Annotations | undefined;
}

/** Signs one manifest of a repository and stores the signature beside it, in each of the formats. */
export async function signManifest(
  repository: Repository,
  { subject, reference, annotations }: ToSign,
  { signer, formats, clock, random, ...call }: SignTools & Call,
): Promise<void> {
  const timestamp = Math.floor(clock.now() / 1000);
  const claim = {
    digest: subject.digest,
    reference,
    annotations: { [claimKeys.creator]: "stowage", [claimKeys.timestamp]: timestamp, ...annotations },
  };
  for (const format of formats)
    if (format === "cosign2") {
      const payload = encodePayload(claim);
      const { signature, annotations: more } = await signer.sign(payload, call);
      const content = contentOf(payload, simpleSigningType);
      const layer = {
        ...content.descriptor,
        annotations: {
          [signatureAnnotation]: Buffer.from(signature).toString("base64"),
          ...(signer.publicKey === undefined ? {} : { [keyAnnotation]: signer.publicKey.fingerprint }),
          ...more,
        },
      };
      await repository.blobs.write(content, call);
      await appendLayer(repository, { tag: signatureTag(subject.digest), layer }, { clock, random, ...call });
    } else
      await attest(
        repository,
        { subject, statement: { subjects: [claim], predicateType: signPredicate, predicate: {} } },
        { signer, clock, ...call },
      );
}

/** Signs a statement about a manifest, and stores it as a bundle that refers to it: what `cosign attest` does. */
export async function attest(
  repository: Repository,
  { subject, statement }: { readonly subject: Descriptor; readonly statement: Statement },
  { signer, clock, ...call }: Pick<SignTools, "signer" | "clock"> & Call,
): Promise<Descriptor> {
  const payload = encodeStatement(statement);
  const bundle = await signer.bundle({ payload, payloadType: statementType }, call);
  return attach(
    repository,
    {
      subject,
      artifactType: bundleType,
      layers: [contentOf(bundle, bundleType)],
      annotations: {
        "org.opencontainers.image.created": new Date(clock.now()).toISOString().replace(/\.\d+Z$/, "Z"),
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": statement.predicateType,
      },
    },
    call,
  );
}

export interface Attachment {
  /** The manifest that it is about. */
  readonly subject: Descriptor;
  readonly artifactType: string;
  readonly layers: readonly Content[];
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** Stores an artifact that refers to a manifest (image-spec 1.1, "Guidelines for Artifact Usage"). */
export async function attach(
  repository: Repository,
  { subject, artifactType, layers, annotations = {} }: Attachment,
  call?: Call,
): Promise<Descriptor> {
  const config = contentOf(utf8("{}"), mediaTypes.ociEmpty);
  await repository.blobs.write(config, call);
  for (const layer of layers) await repository.blobs.write(layer, call);
  const { mediaType, digest, size } = subject;
  const manifest = encodeManifest({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor),
    subject: { mediaType, digest, size },
    annotations,
  });
  await repository.manifests.write(manifest, call);
  return manifest.descriptor;
}

/** Times that a signature is written again before giving up: each is lost only to a writer who came in between. */
const mostWrites = 12;
/** What this process adds to one tag is added one after the other. */
const running = new Map<string, Promise<void>>();

/**
 * Adds a signature, or an attestation, to those below a manifest's `.sig` or `.att` tag.
 *
 * A registry has no way to say "write this if nobody wrote since"; so after each write this looks again, after a
 * random pause that is longer than another writer needs from its look to its write, and repeats what it finds undone.
 * Two who sign at once so end with both signatures.
 */
export async function appendLayer(
  repository: Repository,
  { tag, layer }: { readonly tag: Tag; readonly layer: Descriptor },
  options: Pick<SignTools, "clock" | "random"> & Call,
): Promise<void> {
  const key = `${repository.registry}/${repository.name}:${tag}`;
  const add = (): Promise<void> => append(repository, { tag, layer }, options);
  // Whether the one before went well is for its own caller to know.
  const mine = (running.get(key) ?? Promise.resolve()).then(add, add);
  running.set(key, mine);
  try {
    await mine;
  } finally {
    if (running.get(key) === mine) running.delete(key);
  }
}

async function append(
  repository: Repository,
  { tag, layer }: { readonly tag: Tag; readonly layer: Descriptor },
  { clock, random, ...call }: Pick<SignTools, "clock" | "random"> & Call,
): Promise<void> {
  const label = `${repository.label}:${tag}`;
  for (let writes = 0; writes < mostWrites; writes += 1) {
    const before = clock.now();
    const layers = await layersOf(repository, tag, call);
    if (!layers.some((one) => isSame(one, layer)))
      await writeLayers(repository, { tag, layers: [...layers, layer] }, call);
    const needed = clock.now() - before;
    await clock.sleep((1 + random()) * Math.min(needed, 1000), call.signal);
    if ((await layersOf(repository, tag, call)).some((one) => isSame(one, layer))) return;
  }
  throw new Failure(
    "unavailable",
    `${label} was replaced by others ${mostWrites} times while a signature was added`,
    {
      code: "sign.contended",
      subject: label,
      hint: "Sign again when fewer others do.",
    },
  );
}

const isSame = (a: Descriptor, b: Descriptor): boolean =>
  a.digest === b.digest && a.annotations?.[signatureAnnotation] === b.annotations?.[signatureAnnotation];

async function layersOf(repository: Repository, tag: Tag, call: Call): Promise<readonly Descriptor[]> {
  const manifest = await repository.manifests.read(tag, call);
  return manifest === undefined ? [] : decodeImageManifest(manifest).layers;
}

/** An image of no use as one, whose layers are payloads: readers look at nothing else, so all share one config. */
async function writeLayers(
  repository: Repository,
  { tag, layers }: { tag: Tag; layers: readonly Descriptor[] },
  call: Call,
): Promise<void> {
  const config = contentOf(utf8("{}"), mediaTypes.ociConfig);
  if (!configured.has(repository)) await repository.blobs.write(config, call);
  configured.add(repository);
  const manifest = encodeManifest({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers,
  });
  await repository.manifests.write(manifest, { ...call, tag });
}

/** Repositories that have the config. */
const configured = new WeakSet<Repository>();
