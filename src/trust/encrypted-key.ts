import { randomBytes, type ScryptOptions, scrypt } from "node:crypto";
import { xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import * as v from "valibot";
import { textOf, utf8 } from "../base/bytes.js";
import { Failure } from "../base/failure.js";

// A secret at rest as cosign keeps it: scrypt makes a key of the password, NaCl's secretbox seals with it
// (go-securesystemslib, `encrypted`).

/** The costs of scrypt that are taken: any other, found in a file, could be an attempt to stop who reads it. */
const costs: readonly number[] = [2 ** 15, 2 ** 16, 2 ** 17];
const defaultCost = 2 ** 16;
const nonceLength = 24;

const bytes = v.pipe(v.string(), v.base64());
const sealed = v.object({
  kdf: v.object({
    name: v.literal("scrypt"),
    params: v.object({ N: v.picklist(costs), r: v.literal(8), p: v.literal(1) }),
    salt: bytes,
  }),
  cipher: v.object({ name: v.literal("nacl/secretbox"), nonce: bytes }),
  ciphertext: bytes,
});

/** Seals a secret with a password, which may be empty, as cosign's may. */
export async function seal(secret: Uint8Array, password: string): Promise<Uint8Array> {
  const salt = randomBytes(32);
  const nonce = randomBytes(nonceLength);
  const key = await keyOf(password, { salt, cost: defaultCost });
  const base64 = (value: Uint8Array): string => Buffer.from(value).toString("base64");
  return utf8(
    JSON.stringify({
      kdf: { name: "scrypt", params: { N: defaultCost, r: 8, p: 1 }, salt: base64(salt) },
      cipher: { name: "nacl/secretbox", nonce: base64(nonce) },
      ciphertext: base64(xsalsa20poly1305(key, nonce).encrypt(secret)),
    }),
  );
}

/**
 * Opens what `seal`, or cosign, has sealed.
 * @throws Failure `key.invalid`, `key.password-wrong`
 */
export async function unseal(
  container: Uint8Array,
  { password, subject }: { readonly password: string; readonly subject: string },
): Promise<Uint8Array> {
  const parsed = v.safeParse(sealed, jsonOf(container));
  if (!parsed.success)
    throw new Failure("usage", `${subject} is no encrypted key: ${parsed.issues[0].message}`, {
      code: "key.invalid",
      subject,
    });
  const { kdf, cipher, ciphertext } = parsed.output;
  const nonce = Buffer.from(cipher.nonce, "base64");
  const key = await keyOf(password, { salt: Buffer.from(kdf.salt, "base64"), cost: kdf.params.N });
  try {
    if (nonce.byteLength !== nonceLength) throw new Error(`a nonce of ${nonce.byteLength} bytes`);
    return xsalsa20poly1305(key, nonce).decrypt(Buffer.from(ciphertext, "base64"));
  } catch (cause) {
    throw new Failure("denied", `the password does not open ${subject}`, {
      code: "key.password-wrong",
      subject,
      hint: "COSIGN_PASSWORD holds the password; without it, it is asked for at a terminal.",
      cause,
    });
  }
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(bytes) ?? "");
  } catch {
    // Whatever it is, it is not what was sealed; its text is not for messages.
    return undefined;
  }
}

function keyOf(password: string, { salt, cost }: { salt: Uint8Array; cost: number }): Promise<Uint8Array> {
  // 128 · N · r bytes of memory, and some: Node's own limit is below what cosign's cost needs.
  const options: ScryptOptions = { N: cost, r: 8, p: 1, maxmem: 256 * cost * 8 };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, 32, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}
