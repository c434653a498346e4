import { X509Certificate } from "node:crypto";
import { isObject, type JsonObject } from "../base/decode.js";
import { digestOf, hexOf } from "../oci/digest.js";
import { type StoredPayload, signatureAnnotation } from "./stored-signature.js";

// What cosign 2 keeps in annotations, as the bundle that cosign 3 would have made of it: so there is one way to
// check certificates (cosign, specs/SIGNATURE_SPEC.md and pkg/cosign/bundle).

const certificateAnnotation = "dev.sigstore.cosign/certificate";
const logAnnotation = "dev.sigstore.cosign/bundle";
const timestampAnnotation = "dev.sigstore.cosign/rfc3161timestamp";

/** The bundle of a signature made with a certificate; undefined where it was made with a key. */
export function payloadBundle({ payload, annotations }: StoredPayload): JsonObject | undefined {
  const certificate = annotations[certificateAnnotation];
  if (certificate === undefined || certificate === "") return undefined;
  const entry = objectIn(annotations[logAnnotation]);
  const timestamp = objectIn(annotations[timestampAnnotation])?.["SignedRFC3161Timestamp"];
  return {
    mediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1",
    verificationMaterial: {
      x509CertificateChain: { certificates: [{ rawBytes: derOf(certificate) }] },
      tlogEntries: entry === undefined ? [] : [logEntry(entry)],
      timestampVerificationData: {
        rfc3161Timestamps: typeof timestamp === "string" ? [{ signedTimestamp: timestamp }] : [],
      },
    },
    messageSignature: {
      messageDigest: {
        algorithm: "SHA2_256",
        digest: Buffer.from(hexOf(digestOf(payload)), "hex").toString("base64"),
      },
      signature: annotations[signatureAnnotation] ?? "",
    },
  };
}

function derOf(pem: string): string {
  try {
    return new X509Certificate(pem).raw.toString("base64");
  } catch {
    // Who checks the bundle says that its certificate is none.
    return "";
  }
}

/** Rekor's promise to include an entry: what it signed, and the entry itself. */
function logEntry(bundle: JsonObject): unknown {
  const payload = isObject(bundle["Payload"]) ? bundle["Payload"] : {};
  const body = String(payload["body"] ?? "");
  const entry = objectIn(Buffer.from(body, "base64").toString("utf8"));
  return {
    logIndex: String(payload["logIndex"] ?? "0"),
    logId: { keyId: Buffer.from(String(payload["logID"] ?? ""), "hex").toString("base64") },
    kindVersion: { kind: String(entry?.["kind"] ?? ""), version: String(entry?.["apiVersion"] ?? "") },
    integratedTime: String(payload["integratedTime"] ?? "0"),
    inclusionPromise: { signedEntryTimestamp: String(bundle["SignedEntryTimestamp"] ?? "") },
    canonicalizedBody: body,
  };
}

function objectIn(text: string | undefined): JsonObject | undefined {
  if (text === undefined) return undefined;
  try {
    const json: unknown = JSON.parse(text);
    return isObject(json) ? json : undefined;
  } catch {
    // Nothing that could be checked: the same as nothing.
    return undefined;
  }
}
