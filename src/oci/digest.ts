import { createHash, type Hash } from "node:crypto";
import { Failure } from "../base/failure.js";

/** `algorithm:hex`, verified to be well-formed (OCI image-spec 1.1, descriptor.md#digests). */
export type Digest = string & { readonly __digest: unique symbol };

export type DigestAlgorithm = "sha256" | "sha512";

const hexLength: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };

export function isDigest(text: string): text is Digest {
  const [algorithm, hex, ...more] = text.split(":");
  if ((algorithm !== "sha256" && algorithm !== "sha512") || hex === undefined || more.length > 0)
    return false;
  return hex.length === hexLength[algorithm] && /^[0-9a-f]+$/.test(hex);
}

/** @throws Failure `oci.digest-invalid` */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new Failure(
    "usage",
    `"${text}" is not a digest (sha256: and 64 hexadecimal digits, or sha512: and 128)`,
    {
      code: "oci.digest-invalid",
      subject: text,
    },
  );
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

/** The hexadecimal part. */
export const hexOf = (digest: Digest): string => digest.slice(digest.indexOf(":") + 1);

export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  return parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`);
}

/** A digest being computed over a stream. */
export interface Digester {
  update(chunk: Uint8Array): void;
  digest(): Digest;
}

export function createDigester(algorithm: DigestAlgorithm = "sha256"): Digester {
  const hash: Hash = createHash(algorithm);
  return {
    update: (chunk) => void hash.update(chunk),
    digest: () => parseDigest(`${algorithm}:${hash.digest("hex")}`),
  };
}
