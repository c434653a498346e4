import { createHash } from "node:crypto";
import { type PublicKey, shortFingerprint } from "./key.js";

/** Whom to trust for a repository, and for what. */
export interface TrustPolicy {
  /** Where it is written, for messages: `/etc/spack/trust.yaml:3`. */
  readonly origin: string;
  readonly authorities: readonly Authority[];
  /** How many of them must have signed. */
  readonly required: number;
  /** Names besides its own that a signature may be made out to: of where the repository was copied from. */
  readonly signedAs: readonly string[] | "any";
  /** Milliseconds after which the signature of an index is too old. */
  readonly maxAge?: number | undefined;
}

/** Somebody whose signature counts. */
export type Authority =
  | { readonly type: "key"; readonly key: PublicKey }
  | { readonly type: "identity"; readonly issuer: Pattern; readonly subject: Pattern };

/** A text, or an expression that the whole of a text must match. */
export type Pattern = { readonly text: string } | { readonly matching: string };

export const fits = (pattern: Pattern, text: string): boolean =>
  "text" in pattern ? text === pattern.text : new RegExp(`^(?:${pattern.matching})$`, "u").test(text);

const patternName = (pattern: Pattern): string =>
  "text" in pattern ? pattern.text : `/${pattern.matching}/`;

/** How messages and results name an authority. */
export const authorityName = (authority: Authority): string =>
  authority.type === "key"
    ? `key ${shortFingerprint(authority.key.fingerprint)}`
    : `${patternName(authority.subject)} of ${patternName(authority.issuer)}`;

/** Tells two policies apart: what one has accepted, another may not. */
export function policyHash({ authorities, required, signedAs }: TrustPolicy): string {
  const who = authorities
    .map((one) => (one.type === "key" ? one.key.fingerprint : JSON.stringify([one.issuer, one.subject])))
    .sort();
  return createHash("sha256")
    .update(JSON.stringify([who, required, signedAs]))
    .digest("hex");
}
