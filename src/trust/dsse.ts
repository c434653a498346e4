import { readAll, utf8 } from "../base/bytes.js";
import type { Call } from "../base/call.js";
import { isObject } from "../base/decode.js";
import { Failure } from "../base/failure.js";
import { contentOf } from "../oci/content.js";
import { algorithmOf, type Digest, hexOf } from "../oci/digest.js";
import { invalidDocument, parseJson } from "../oci/json.js";
import { decodeImageManifest } from "../oci/manifest.js";
import { parseTag, type Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { bundleType, decodeBundle } from "./bundle.js";
import { encodeStatement, type Statement, statementType } from "./claim.js";
import { payloadBundle } from "./payload-bundle.js";
import { appendLayer, type SignTools } from "./sign.js";
import {
  type BrokenSignature,
  guarded,
  signatureAnnotation,
  signatureLimit,
  type StoredBundle,
} from "./stored-signature.js";

// Attestations as cosign 1 and 2 store them: DSSE envelopes (github.com/secure-systems-lab/dsse, envelope.md), each a
// layer of an image under a tag (cosign, specs/ATTESTATION_SPEC.md).

const envelopeType = "application/vnd.dsse.envelope.v1+json";

export const attestationTag = (digest: Digest): Tag =>
  parseTag(`${algorithmOf(digest)}-${hexOf(digest)}.att`);

/** Signs a statement and adds it to those below a manifest's `.att` tag. */
export async function writeTaggedEnvelope(
  repository: Repository,
  { subject, statement }: { readonly subject: Digest; readonly statement: Statement },
  { signer, ...tools }: Omit<SignTools, "formats"> & Call,
): Promise<void> {
  const payload = encodeStatement(statement);
  if (signer.publicKey === undefined)
    throw new Failure("unsupported", "a certificate of a job signs bundles (cosign 3) only", {
      code: "sign.format-keyless",
      hint: "Leave out --signature-format, or sign with a --key.",
    });
  const bundle = await signer.bundle({ payload, payloadType: statementType }, tools);
  const { signature } = decodeBundle(bundle, signer.name);
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  const envelope = {
    payloadType: statementType,
    payload: base64(payload),
    signatures: [{ keyid: "", sig: base64(signature) }],
  };
  const content = contentOf(utf8(JSON.stringify(envelope)), envelopeType);
  await repository.blobs.write(content, tools);
  const layer = {
    ...content.descriptor,
    annotations: { [signatureAnnotation]: "", predicateType: statement.predicateType },
  };
  await appendLayer(repository, { tag: attestationTag(subject), layer }, tools);
}

/** Reads them as the bundles that cosign 3 would have made of them: so there is one way to check both. */
export async function* readTaggedEnvelopes(
  repository: Repository,
  digest: Digest,
  call?: Call,
): AsyncIterable<StoredBundle | BrokenSignature> {
  const tag = attestationTag(digest);
  const subject = `${repository.label}:${tag}`;
  const image = await guarded(async () => {
    const manifest = await repository.manifests.read(tag, call);
    return manifest === undefined ? undefined : decodeImageManifest(manifest);
  });
  if (image === undefined) return;
  if ("form" in image) return yield image;
  for (const layer of image.layers) {
    if (layer.mediaType !== envelopeType) continue;
    yield await guarded(async () => {
      const limit = { limit: signatureLimit, subject };
      const envelope = parseJson(
        await readAll(repository.blobs.read(layer, call), limit),
        subject,
        signatureLimit,
      );
      if (!isObject(envelope) || typeof envelope["payload"] !== "string")
        throw invalidDocument(subject, "has an envelope without payload");
      const { digest, annotations = {} } = layer;
      const payload = Buffer.from(envelope["payload"], "base64");
      const certified = payloadBundle({ form: "payload", digest, payload, annotations });
      const bundle = {
        mediaType: bundleType,
        verificationMaterial: { publicKey: {} },
        ...certified,
        messageSignature: undefined,
        dsseEnvelope: envelope,
      };
      return { form: "bundle", digest, bundle: decodeBundle(utf8(JSON.stringify(bundle)), subject) } as const;
    });
  }
}
