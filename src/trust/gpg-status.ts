import type { OpenPgpSigner } from "./openpgp.js";
import type { Refusal } from "./openpgp-refusal.js";

/** What `gpg --verify` found of one signature. */
export type VerifiedSignature =
  | {
      readonly type: "good";
      readonly signer: OpenPgpSigner;
      /** OpenPGP numbers. */
      readonly hash: number;
      readonly signatureClass: number;
    }
  | { readonly type: "refused"; readonly refusal: Refusal; readonly key: string };

/** What one keyword of `--status-fd` means for the signature that it speaks of (GnuPG's doc/DETAILS). */
const refusals: Readonly<Record<string, Refusal>> = {
  BADSIG: "signature-wrong",
  EXPSIG: "signature-expired",
  EXPKEYSIG: "key-expired",
  REVKEYSIG: "key-revoked",
};

/** Codes in ERRSIG that say more than that it cannot be checked: from libgpg-error's list. */
const errors: Readonly<Record<string, Refusal>> = { "9": "key-unknown", "5": "signature-weak" };

/**
 * The signatures that gpg looked at, by its status lines. What is not said to be good is not good.
 * @param status lines without their `[GNUPG:] `
 */
export function verifiedSignatures(status: readonly string[]): readonly VerifiedSignature[] {
  const groups: string[][] = [];
  for (const line of status) {
    if (line.startsWith("NEWSIG")) groups.push([]);
    groups.at(-1)?.push(line);
  }
  return groups.map((lines) => {
    const fields = (keyword: string): readonly string[] | undefined =>
      lines
        .map((line) => line.split(" "))
        .find(([first]) => first === keyword)
        ?.slice(1);
    const valid = fields("VALIDSIG");
    const key = valid?.[9] ?? ["BADSIG", "ERRSIG"].flatMap((word) => fields(word)?.[0] ?? [])[0] ?? "?";
    for (const [keyword, refusal] of Object.entries(refusals))
      if (fields(keyword) !== undefined) return { type: "refused", refusal, key };
    const error = fields("ERRSIG");
    if (error !== undefined)
      return { type: "refused", refusal: errors[error[5] ?? ""] ?? "key-unusable", key };
    const good = fields("GOODSIG");
    if (good === undefined || valid === undefined)
      return { type: "refused", refusal: "signature-wrong", key };
    return {
      type: "good",
      signer: {
        fingerprint: key,
        userId: good.slice(1).join(" ") || undefined,
        signedAt: new Date(Number(valid[2]) * 1000),
      },
      hash: Number(valid[7]),
      signatureClass: Number.parseInt(valid[8] ?? "", 16),
    };
  });
}
