import * as v from "valibot";
import { concat, utf8 } from "../base/bytes.js";
import { assertShape, parseJson } from "../oci/json.js";
import type { Written } from "./claim.js";
import type { PrivateKey, PublicKey } from "./key.js";

// Sigstore bundles (sigstore/protobuf-specs, sigstore_bundle.proto) as far as keys go: who signs with a certificate,
// and what a log or a time stamp says, is for the sigstore libraries.

export const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json";
/** Artifact and layer types under which bundles are stored: any version. */
export const isBundleType = (mediaType: string | undefined): boolean =>
  mediaType !== undefined && /^application\/vnd\.dev\.sigstore\.bundle(\.v0\.\d+)?\+json/.test(mediaType);

const base64 = v.pipe(v.string(), v.base64());
const schema = v.looseObject({
  mediaType: v.string(),
  verificationMaterial: v.looseObject({
    publicKey: v.nullish(v.looseObject({ hint: v.nullish(v.string()) })),
    certificate: v.nullish(v.unknown()),
    x509CertificateChain: v.nullish(v.unknown()),
  }),
  dsseEnvelope: v.looseObject({
    payload: base64,
    payloadType: v.string(),
    signatures: v.pipe(
      v.array(v.looseObject({ sig: base64, keyid: v.nullish(v.string()) })),
      v.length(1, "a bundle's envelope has one signature"),
    ),
  }),
  // With both, one could be checked and the other read.
  messageSignature: v.optional(v.null("a bundle has an envelope or a message's signature")),
});

/** A bundle with a DSSE envelope, nothing in it checked yet. */
export interface Bundle extends Written {
  readonly signature: Uint8Array;
  /** What the signer calls the key; undefined where a certificate tells who it is. */
  readonly keyHint: string | undefined;
  readonly hasCertificate: boolean;
  /** The whole document, for those who check certificates. */
  readonly json: unknown;
}

/** @throws Failure `oci.document-invalid` */
export function decodeBundle(bytes: Uint8Array, subject: string): Bundle {
  const json = parseJson(bytes, subject);
  assertShape(schema, json, subject);
  const { verificationMaterial: material, dsseEnvelope: envelope } = json;
  const hasCertificate = material.certificate != null || material.x509CertificateChain != null;
  return {
    payload: Buffer.from(envelope.payload, "base64"),
    payloadType: envelope.payloadType,
    signature: Buffer.from(envelope.signatures[0]?.sig ?? "", "base64"),
    keyHint: material.publicKey?.hint ?? undefined,
    hasCertificate,
    json,
  };
}

/** What is signed of an envelope: type and payload with their lengths (DSSE 1.0, "PAE"). */
export function preAuthenticationEncoding({ payload, payloadType }: Written): Uint8Array {
  const type = utf8(payloadType);
  return concat([utf8(`DSSEv1 ${type.byteLength} `), type, utf8(` ${payload.byteLength} `), payload]);
}

/** A bundle signed with a key, without log or time stamp. */
export function signBundle(written: Written, key: PrivateKey): Uint8Array {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  const signature = key.sign(preAuthenticationEncoding(written));
  return utf8(
    JSON.stringify({
      mediaType: bundleType,
      verificationMaterial: { publicKey: { hint: key.publicKey.fingerprint } },
      dsseEnvelope: {
        payload: base64(written.payload),
        payloadType: written.payloadType,
        signatures: [{ sig: base64(signature) }],
      },
    }),
  );
}

/** Whether the owner of a key signed a bundle's payload. */
export const isSignedBy = (bundle: Bundle, key: PublicKey): boolean =>
  key.verify(preAuthenticationEncoding(bundle), bundle.signature);
