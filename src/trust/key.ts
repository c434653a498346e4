import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { textOf } from "../base/bytes.js";
import { Failure } from "../base/failure.js";
import { seal, unseal } from "./encrypted-key.js";

/** Kinds of keys that sign: by their names in OpenSSL and in TLS. */
export const keyTypes = ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-3072"] as const;
export type KeyType = (typeof keyTypes)[number];

export interface PublicKey {
  /** `ecdsa-p256`, `rsa-4096`. */
  readonly type: string;
  /** `sha256:` and the hexadecimal digest of its DER (SubjectPublicKeyInfo): its name everywhere. */
  readonly fingerprint: string;
  readonly pem: string;
  /** Whether this key's owner signed these bytes. */
  verify(data: Uint8Array, signature: Uint8Array): boolean;
}

/** What may never be shown: its functions close over the key, so that no printing of it can. */
export interface PrivateKey {
  readonly publicKey: PublicKey;
  /** ECDSA as DER, RSA by PKCS #1 1.5, Ed25519 pure: what cosign makes. */
  sign(data: Uint8Array): Uint8Array;
}

const invalid = (subject: string, found: string, cause?: unknown): Failure =>
  new Failure("usage", `${subject} ${found}`, {
    code: "key.invalid",
    subject,
    hint: "Keys are PEM files: ECDSA (P-256, P-384), Ed25519 or RSA; `stowage key generate` makes a pair.",
    cause,
  });

/** @throws Failure `key.invalid`, `key.unsupported` */
export function parsePublicKey(bytes: Uint8Array | string, subject: string): PublicKey {
  const pem = typeof bytes === "string" ? bytes : (textOf(bytes) ?? "");
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem))
    throw invalid(subject, "holds a private key, where a public one is asked for");
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw invalid(subject, "holds no public key in PEM form", cause);
  }
  return publicKeyOf(key, subject);
}

export interface OpenKeyOptions {
  /** The key's file or variable, for messages. */
  readonly subject: string;
  /** Asked only where the key is encrypted. */
  readonly password: () => Promise<string>;
}

/**
 * Opens a private key in PEM form: plain (PKCS #8, SEC 1, PKCS #1), or encrypted as cosign or OpenSSL do it.
 * @throws Failure `key.invalid`, `key.unsupported`, `key.password-wrong`
 */
export async function openPrivateKey(
  bytes: Uint8Array,
  { subject, password }: OpenKeyOptions,
): Promise<PrivateKey> {
  const pem = textOf(bytes) ?? "";
  const [, label, body = ""] =
    /-----BEGIN ([A-Z ]*PRIVATE KEY)-----\s*([A-Za-z0-9+/=\s]*)-----END \1-----/.exec(pem) ?? [];
  if (label === undefined && pem.includes("-----BEGIN PUBLIC KEY-----"))
    throw invalid(subject, "holds a public key, which cannot sign");
  if (label === "ENCRYPTED SIGSTORE PRIVATE KEY" || label === "ENCRYPTED COSIGN PRIVATE KEY") {
    const container = Buffer.from(body, "base64");
    const der = await unseal(container, { subject, password: await password() });
    return privateKeyOf({ key: Buffer.from(der), format: "der", type: "pkcs8" }, subject);
  }
  const encrypted = label === "ENCRYPTED PRIVATE KEY" || pem.includes("Proc-Type: 4,ENCRYPTED");
  if (!encrypted) return privateKeyOf({ key: pem, format: "pem" }, subject);
  const passphrase = await password();
  try {
    createPrivateKey({ key: pem, format: "pem", passphrase });
  } catch (cause) {
    throw new Failure("denied", `the password does not open ${subject}`, {
      code: "key.password-wrong",
      subject,
      cause,
    });
  }
  return privateKeyOf({ key: pem, format: "pem", passphrase }, subject);
}

function privateKeyOf(input: Parameters<typeof createPrivateKey>[0], subject: string): PrivateKey {
  let key: KeyObject;
  try {
    key = createPrivateKey(input);
  } catch (cause) {
    throw invalid(subject, "holds no private key in PEM form", cause);
  }
  const publicKey = publicKeyOf(createPublicKey(key), subject);
  const [hash] = hashesOf(publicKey.type);
  return { publicKey, sign: (data) => sign(hash, data, key) };
}

function publicKeyOf(key: KeyObject, subject: string): PublicKey {
  const type = typeOf(key, subject);
  const der = key.export({ type: "spki", format: "der" });
  return {
    type,
    fingerprint: `sha256:${createHash("sha256").update(der).digest("hex")}`,
    pem: key.export({ type: "spki", format: "pem" }).toString(),
    verify: (data, signature) => hashesOf(type).some((hash) => verify(hash, data, key, signature)),
  };
}

/** Hashes that a signature may be over, first the one that is used to sign; Ed25519 has its own. */
function hashesOf(type: string): readonly [string | null, ...(string | null)[]] {
  if (type === "ed25519") return [null];
  // `cosign verify` takes SHA-256 for all keys unless it is told otherwise; `cosign sign` takes what fits the curve.
  return type === "ecdsa-p384" ? ["sha256", "sha384"] : ["sha256"];
}

const smallestRsa = 2048;

function typeOf(key: KeyObject, subject: string): string {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === "ed25519") return type;
  if (type === "ec" && details?.namedCurve === "prime256v1") return "ecdsa-p256";
  if (type === "ec" && details?.namedCurve === "secp384r1") return "ecdsa-p384";
  const length = details?.modulusLength ?? 0;
  if (type === "rsa" && length >= smallestRsa) return `rsa-${length}`;
  const found =
    type === "rsa" ? `an RSA key of ${length} bits` : `a key of type ${details?.namedCurve ?? type}`;
  throw new Failure("unsupported", `${subject} holds ${found}`, {
    code: "key.unsupported",
    subject,
    hint: `Keys are ECDSA (P-256, P-384), Ed25519, or RSA of ${smallestRsa} bits or more.`,
  });
}

/** A new key pair as cosign keeps it: the private half sealed with a password. */
export async function generateKeyPair(
  type: KeyType,
  { password }: { readonly password: string },
): Promise<{ readonly publicKey: PublicKey; readonly privatePem: string }> {
  const { privateKey, publicKey } = pairOf(type);
  const sealed = await seal(privateKey.export({ type: "pkcs8", format: "der" }), password);
  const lines =
    Buffer.from(sealed)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  const label = "ENCRYPTED SIGSTORE PRIVATE KEY";
  return {
    publicKey: publicKeyOf(publicKey, "the new key"),
    privatePem: `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`,
  };
}

function pairOf(type: KeyType): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (type) {
    case "ecdsa-p256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" });
    case "ecdsa-p384":
      return generateKeyPairSync("ec", { namedCurve: "P-384" });
    case "ed25519":
      return generateKeyPairSync("ed25519");
    case "rsa-3072":
      return generateKeyPairSync("rsa", { modulusLength: 3072 });
  }
}

/** The fingerprint of a key, as short as people compare it. */
export const shortFingerprint = (fingerprint: string): string => fingerprint.slice(0, "sha256:".length + 12);
