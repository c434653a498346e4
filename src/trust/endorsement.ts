import type { Call } from "../base/call.js";
import { Failure, type FailureOptions } from "../base/failure.js";
import type { Digest } from "../oci/digest.js";
import { isSignedBy } from "./bundle.js";
import { type Claim, claimKeys, decodePayload, decodeStatement, statementType } from "./claim.js";
import { type PublicKey, shortFingerprint } from "./key.js";
import { payloadBundle } from "./payload-bundle.js";
import { authorityName, fits, type TrustPolicy } from "./policy.js";
import { type BrokenSignature, type StoredSignature, signatureAnnotation } from "./stored-signature.js";

/** A signature that was checked: somebody who is trusted has made it, for what it claims. */
export interface Endorsement {
  readonly signer: SignerName;
  readonly form: StoredSignature["form"];
  readonly claim: Claim;
  /** By a log or a time stamp authority, else as the signer says; undefined where nobody says. */
  readonly signedAt: Date | undefined;
  /** What a statement says besides; a plain signature's has no content. */
  readonly predicateType: string | undefined;
  readonly predicate: unknown;
}

export type SignerName =
  | { readonly type: "key"; readonly fingerprint: string }
  | { readonly type: "identity"; readonly issuer: string; readonly subject: string };

/** One who signed is one voice, however often. */
export const voiceOf = (signer: SignerName): string =>
  signer.type === "key" ? signer.fingerprint : `${signer.subject} of ${signer.issuer}`;

/** Checks what a certificate authority and a transparency log vouch for; offline, by a trusted root. */
export interface CertificateChecker {
  /** Digest of the root that it checks by: what was verified by another is not verified by this one. */
  readonly root: Digest;
  /**
   * @param bundle JSON of a sigstore bundle
   * @param artifact what was signed, where it is not in the bundle
   * @throws Failure `trust.certificate-invalid`
   */
  check(
    bundle: unknown,
    options?: { readonly artifact?: Uint8Array | undefined } & Call,
  ): Promise<{ readonly issuer: string; readonly subject: string; readonly signedAt: Date | undefined }>;
}

export interface Checking extends Call {
  readonly policy: TrustPolicy;
  readonly certificates: CertificateChecker | undefined;
  /** The manifest that the signature was found beside, for messages. */
  readonly subject: string;
}

/** What is not verified is as bad as what is damaged. */
export const distrust = (message: string, options: FailureOptions): Failure =>
  new Failure("corrupt", message, options);

/**
 * Checks one signature, whatever it is for: whether what it claims is about the manifest at hand is another question.
 * @throws Failure `trust.signature-invalid`, `trust.key-unknown`, `trust.identity-differs`, `trust.certificate-invalid`
 */
export async function endorsementOf(
  stored: StoredSignature | BrokenSignature,
  checking: Checking,
): Promise<Endorsement> {
  switch (stored.form) {
    case "broken":
      throw unreadable(checking.subject, stored.failure);
    case "payload": {
      const { payload, annotations } = stored;
      const signature = Buffer.from(annotations[signatureAnnotation] ?? "", "base64");
      const bundle = payloadBundle(stored);
      const by =
        bundle === undefined
          ? byKey(checking, {
              hint: annotations[keyAnnotation],
              isSignedBy: (key) => key.verify(payload, signature),
            })
          : await byCertificate(bundle, { ...checking, artifact: payload });
      const claim = readable(checking.subject, () => decodePayload(payload, checking.subject));
      return {
        ...by,
        form: stored.form,
        claim,
        predicateType: undefined,
        predicate: undefined,
        ...timeOf(by, claim),
      };
    }
    case "bundle": {
      const { bundle } = stored;
      const by = bundle.hasCertificate
        ? await byCertificate(bundle.json, checking)
        : byKey(checking, { hint: bundle.keyHint, isSignedBy: (key) => isSignedBy(bundle, key) });
      if (bundle.payloadType !== statementType)
        throw unreadable(checking.subject, `its envelope holds ${bundle.payloadType}`);
      const { subjects, predicateType, predicate } = readable(checking.subject, () =>
        decodeStatement(bundle.payload, checking.subject),
      );
      const [claim, ...more] = subjects;
      if (claim === undefined || more.length > 0)
        throw unreadable(checking.subject, `it is about ${subjects.length} things`);
      return { ...by, form: stored.form, claim, predicateType, predicate, ...timeOf(by, claim) };
    }
  }
}

/** Which key made a signature, as far as that can be told without checking it: helps to say what is wrong. */
export const keyAnnotation = "dev.stowage.key";

interface Signed {
  readonly signer: SignerName;
  readonly signedAt: Date | undefined;
}

function byKey(
  { policy, subject }: Checking,
  { hint, isSignedBy }: { hint: string | undefined; isSignedBy: (key: PublicKey) => boolean },
): Signed {
  const keys = policy.authorities.flatMap((one) => (one.type === "key" ? [one.key] : []));
  const key = keys.find(isSignedBy);
  if (key !== undefined)
    return { signer: { type: "key", fingerprint: key.fingerprint }, signedAt: undefined };
  if (keys.some(({ fingerprint }) => fingerprint === hint))
    throw distrust(
      `${subject} has a signature that names key ${shortFingerprint(hint ?? "")}, and does not verify with it: it, or what was signed, was altered`,
      { code: "trust.signature-invalid", subject },
    );
  throw distrust(
    `${subject} is signed with another key${hint?.startsWith("sha256:") ? ` (${shortFingerprint(hint)})` : ""} than those that ${policy.origin} trusts, or the signature was altered`,
    {
      code: "trust.key-unknown",
      subject,
      hint: `Trusted: ${policy.authorities.map(authorityName).join(", ") || "nobody"}.`,
    },
  );
}

async function byCertificate(
  bundle: unknown,
  { policy, certificates, subject, artifact, ...call }: Checking & { artifact?: Uint8Array },
): Promise<Signed> {
  const { authorities, origin } = policy;
  if (certificates === undefined || !authorities.some(({ type }) => type === "identity"))
    throw distrust(`${subject} is signed with a certificate, and ${origin} trusts no identities`, {
      code: "trust.key-unknown",
      subject,
      hint: `Trusted: ${authorities.map(authorityName).join(", ") || "nobody"}.`,
    });
  const found = await certificates.check(bundle, { artifact, ...call });
  const trusted = authorities.some(
    (one) => one.type === "identity" && fits(one.issuer, found.issuer) && fits(one.subject, found.subject),
  );
  if (trusted)
    return {
      signer: { type: "identity", issuer: found.issuer, subject: found.subject },
      signedAt: found.signedAt,
    };
  throw distrust(
    `${subject} is signed by ${found.subject} of ${found.issuer}, whom ${origin} does not trust`,
    {
      code: "trust.identity-differs",
      subject,
      hint: `Trusted: ${authorities.map(authorityName).join(", ")}.`,
    },
  );
}

function timeOf({ signedAt }: Signed, { annotations }: Claim): { signedAt: Date | undefined } {
  const seconds = Number(annotations[claimKeys.timestamp]);
  return { signedAt: signedAt ?? (Number.isFinite(seconds) ? new Date(seconds * 1000) : undefined) };
}

function readable<T>(subject: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof Failure) throw unreadable(subject, error);
    throw error;
  }
}

const unreadable = (subject: string, why: Failure | string): Failure =>
  distrust(`${subject} has a signature that cannot be read: ${typeof why === "string" ? why : why.message}`, {
    code: "trust.signature-invalid",
    subject,
    cause: typeof why === "string" ? undefined : why,
  });
