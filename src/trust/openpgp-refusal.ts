import { Failure } from "../base/failure.js";

/** Why a signature that is there is not accepted. */
export type Refusal = keyof typeof reasons;

/** What both implementations of a verifier say, so that a failure has one name whichever found it. */
const reasons = {
  "signature-wrong": {
    code: "gpg.signature-wrong",
    found: (key: string) => `its signature by ${key} is not of this text: one of them was altered`,
    hint: "Nothing of it is used. Fetch it from another mirror, and tell who runs this one.",
  },
  "signature-expired": {
    code: "gpg.signature-expired",
    found: (key: string) => `its signature by ${key} is not valid at this time`,
    hint: "Check the clock of this machine, or have the package signed again.",
  },
  "signature-weak": {
    code: "gpg.signature-weak",
    found: (key: string) =>
      `its signature by ${key} uses a hash that can be forged (MD5, SHA-1 or RIPEMD-160)`,
    hint: "Have the package signed again by a GnuPG that uses SHA-256 or SHA-512.",
  },
  "key-unknown": {
    code: "gpg.key-unknown",
    found: (key: string) => `it is signed by the key ${key}, which is not in the keyring`,
    hint: "`stowage buildcache keys --install --trust MIRROR` trusts the keys that its mirror publishes, `stowage gpg trust FILE` one from elsewhere.",
  },
  "key-expired": {
    code: "gpg.key-expired",
    found: (key: string) => `it is signed by the key ${key}, which has expired`,
    hint: "If its owner made it last longer, trust the renewed key: `stowage gpg trust FILE`.",
  },
  "key-revoked": {
    code: "gpg.key-revoked",
    found: (key: string) => `it is signed by the key ${key}, which its owner revoked`,
    hint: "Have the package signed again with another key: this one may be in wrong hands.",
  },
  "key-untrusted": {
    code: "gpg.key-untrusted",
    found: (key: string) => `it is signed by the key ${key}, which the keyring says never to trust`,
    hint: "`stowage gpg trust FILE` trusts a key again.",
  },
  "key-unusable": {
    code: "gpg.key-unusable",
    found: (key: string) => `it is signed by the key ${key}, which is too weak, or not for signing`,
    hint: "Have the package signed again with another key: RSA from 2048 bits, or Ed25519.",
  },
} as const;

/** The failure for a signature that is not accepted. */
export function refusalOf(
  refusal: Refusal,
  { subject, key, cause }: { subject: string; key: string; cause?: unknown },
): Failure {
  const { code, found, hint } = reasons[refusal];
  const kind = refusal.startsWith("key") ? "denied" : "corrupt";
  return new Failure(kind, `${subject} is not trusted: ${found(key)}`, { code, hint, subject, cause });
}

/** Hash algorithms by their OpenPGP number (RFC 9580, section 9.5), as `Hash` headers name them. */
const hashNames: Readonly<Record<number, string>> = {
  8: "SHA256",
  9: "SHA384",
  10: "SHA512",
  11: "SHA224",
  12: "SHA3-256",
  14: "SHA3-512",
};

/**
 * Refuses hashes that can be forged, and documents whose headers name another than was used.
 * @param named what the headers say
 */
export function assertHash(
  algorithm: number,
  named: readonly string[],
  { subject, key }: { subject: string; key: string },
): void {
  const name = hashNames[algorithm];
  if (name === undefined) throw refusalOf("signature-weak", { subject, key });
  if (!named.includes(name))
    throw new Failure("corrupt", `${subject} says that it is signed over ${named}, and it is over ${name}`, {
      code: "gpg.document-malformed",
      subject,
    });
}
