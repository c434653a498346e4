import type { Clock } from "../../base/clock.js";
import { Failure } from "../../base/failure.js";
import { parseClearsigned } from "../../trust/clearsigned.js";
import { verifiedSignatures } from "../../trust/gpg-status.js";
import type { DocumentVerifier } from "../../trust/openpgp.js";
import { assertHash, refusalOf } from "../../trust/openpgp-refusal.js";
import { type Gpg, runGpg } from "./gpg.js";

/** Signatures of texts (RFC 9580, section 5.2.1.2); those of other things mean other things. */
export const textSignature = 0x01;

/** Milliseconds that another machine's clock may be ahead: what was signed a moment ago is not from the future. */
export const clockSkew = 300_000;

/**
 * Verifies with the keys of a GnuPG home, by its program: one process a document.
 * @param distrusted fingerprints; gpg itself finds their signatures as good as others
 */
export function createGpgVerifier(
  gpg: Gpg,
  { clock, distrusted }: { clock: Clock; distrusted: ReadonlySet<string> },
): DocumentVerifier {
  return {
    async open(document, { subject, ...call }) {
      const { text, armor, hashes } = parseClearsigned(document, subject);
      // As a detached signature: what gpg hashes is then this text, however it would read the document.
      const { status, complaint } = await runGpg(
        gpg,
        ["--no-auto-check-trustdb", "--enable-special-filenames", "--verify", "--", "-&3", "-"],
        { ...call, input: text, third: Buffer.from(armor) },
      );
      const signatures = verifiedSignatures(status);
      if (signatures.length === 0)
        throw new Failure("corrupt", `${subject} has a signature that is none: ${complaint}`, {
          code: "gpg.document-malformed",
          subject,
        });
      return {
        text,
        signers: signatures.map((signature) => {
          if (signature.type === "refused")
            throw refusalOf(signature.refusal, { subject, key: signature.key });
          const key = signature.signer.fingerprint;
          if (signature.signatureClass !== textSignature)
            throw refusalOf("signature-wrong", { subject, key });
          if (distrusted.has(key)) throw refusalOf("key-untrusted", { subject, key });
          if (signature.signer.signedAt.getTime() > clock.now() + clockSkew)
            throw refusalOf("signature-expired", { subject, key });
          assertHash(signature.hash, hashes, { subject, key });
          return signature.signer;
        }),
      };
    },
  };
}
