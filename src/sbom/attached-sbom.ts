import { readAll } from "../base/bytes.js";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { contentOf } from "../oci/content.js";
import { demandManifest } from "../oci/copy.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import { decodeImageManifest } from "../oci/manifest.js";
import type { Repository } from "../oci/repository.js";
import { attach } from "../trust/sign.js";
import { documentLimit } from "./facts.js";
import { decodeDescribed, type SbomFormat, sbomTypes } from "./sbom.js";

/** A document that is about a manifest, and what it is called where it becomes a file. */
export interface SbomDocument {
  readonly format: SbomFormat;
  readonly bytes: Uint8Array;
  readonly title: string;
  /** ISO 8601, of what it says. */
  readonly created: string | undefined;
}

/** Attaches a document to a manifest: an artifact whose `subject` it is. */
export async function attachSbom(
  repository: Repository,
  subject: Descriptor,
  { format, bytes, title, created, ...call }: SbomDocument & Call,
): Promise<Descriptor> {
  const { descriptor, open } = contentOf(bytes, sbomTypes[format]);
  const layer = {
    descriptor: { ...descriptor, annotations: { "org.opencontainers.image.title": title } },
    open,
  };
  const annotations = created === undefined ? undefined : { [createdAnnotation]: created };
  return attach(repository, { subject, artifactType: sbomTypes[format], layers: [layer], annotations }, call);
}

const createdAnnotation = "org.opencontainers.image.created";

/** Descriptors of the artifacts that hold a manifest's SBOM in a format. */
export const listSboms = (
  repository: Repository,
  subject: Digest,
  { format, ...call }: Call & { readonly format: SbomFormat },
): Promise<readonly Descriptor[]> =>
  repository.referrers(subject, { ...call, artifactType: sbomTypes[format] });

/** What a manifest is known as: its digest, and the hash of the package it is the image of. */
export interface SbomSubject {
  readonly digest: Digest;
  readonly hash: string | undefined;
}

export interface AttachedSbom {
  /** Digest of the artifact. */
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/**
 * Reads what is attached to a manifest as its SBOM, the newest where there are several; undefined where there is
 * none. Who attached it is another question, that only an attestation answers.
 * @throws Failure `sbom.subject-differs`, `sbom.invalid`
 */
export async function readSbom(
  repository: Repository,
  subject: SbomSubject,
  { format, ...call }: Call & { readonly format: SbomFormat },
): Promise<AttachedSbom | undefined> {
  const attached = await listSboms(repository, subject.digest, { format, ...call });
  const [found] = attached.toSorted((a, b) => (createdOf(a) < createdOf(b) ? 1 : -1));
  if (found === undefined) return undefined;
  const label = `${repository.label}@${found.digest}`;
  const artifact = decodeImageManifest(await demandManifest(repository, found.digest, call));
  if (artifact.subject?.digest !== subject.digest)
    throw subjectDiffers(label, artifact.subject?.digest ?? "nothing", subject.digest);
  const layer = artifact.layers.find(({ mediaType }) => mediaType === sbomTypes[format]);
  if (layer === undefined)
    throw new Failure("corrupt", `${label} has no layer of type ${sbomTypes[format]}`, {
      code: "sbom.invalid",
      subject: label,
    });
  const bytes = await readAll(repository.blobs.read(layer, call), { limit: documentLimit, subject: label });
  assertAbout(bytes, subject, { format, label });
  return { digest: found.digest, bytes };
}

const createdOf = ({ annotations }: Descriptor): string => annotations?.[createdAnnotation] ?? "";

/** Documents of other tools do not name what they are about in our words: of them, `subject` has to do. */
function assertAbout(
  bytes: Uint8Array,
  subject: SbomSubject,
  { format, label }: { readonly format: SbomFormat; readonly label: string },
): void {
  const { hashes, digests } = decodeDescribed(bytes, format, label);
  const [hash] = hashes;
  if (hash !== undefined && subject.hash !== undefined && !hashes.includes(subject.hash))
    throw subjectDiffers(label, `/${hash}`, `/${subject.hash}`);
  const [digest] = digests;
  if (digest !== undefined && !digests.includes(subject.digest))
    throw subjectDiffers(label, digest, subject.digest);
}

const subjectDiffers = (label: string, found: string, wanted: string): Failure =>
  new Failure("corrupt", `${label} is the SBOM of ${found}, not of ${wanted}`, {
    code: "sbom.subject-differs",
    subject: label,
    hint: "Somebody has attached it to the wrong image: `stowage referrers` shows what is attached.",
  });
