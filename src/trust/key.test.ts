import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { utf8 } from "../base/bytes.js";
import { generateKeyPair, keyTypes, openPrivateKey, parsePublicKey } from "./key.js";

const subject = "test.key";
const data = utf8("what is signed");

test("a generated pair opens with its password, for every kind of key", async () => {
  // RSA takes seconds to make; that it signs and verifies is tried below.
  for (const type of keyTypes.filter((one) => one !== "rsa-3072" || process.env["STOWAGE_SOAK"])) {
    const pair = await generateKeyPair(type, { password: "secret" });
    expect(pair.privatePem).toMatch(/^-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n/);
    const key = await openPrivateKey(utf8(pair.privatePem), { subject, password: async () => "secret" });
    const published = parsePublicKey(pair.publicKey.pem, "test.pub");
    expect(key.publicKey.fingerprint).toBe(published.fingerprint);
    expect(published.type).toBe(type);
    const signature = key.sign(data);
    expect(published.verify(data, signature)).toBe(true);
    expect(published.verify(utf8("another"), signature)).toBe(false);
  }
});

test("another password, a damaged box and too costly a derivation are refused", async () => {
  const { privatePem } = await generateKeyPair("ed25519", { password: "right" });
  await expect(
    openPrivateKey(utf8(privatePem), { subject, password: async () => "wrong" }),
  ).rejects.toMatchObject({ code: "key.password-wrong" });
  const body = privatePem.split("\n").slice(1, -2).join("");
  const box = JSON.parse(Buffer.from(body, "base64").toString());
  const again = (changed: unknown): Uint8Array =>
    utf8(
      `-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n${Buffer.from(JSON.stringify(changed)).toString("base64")}\n-----END ENCRYPTED COSIGN PRIVATE KEY-----\n`,
    );
  const open = (bytes: Uint8Array) => openPrivateKey(bytes, { subject, password: async () => "right" });
  expect((await open(again(box))).publicKey.type).toBe("ed25519");
  box.kdf.params.N = 2 ** 30;
  await expect(open(again(box))).rejects.toMatchObject({ code: "key.invalid" });
  box.kdf.params.N = 2 ** 16;
  box.ciphertext = Buffer.from("nothing of the kind").toString("base64");
  await expect(open(again(box))).rejects.toMatchObject({ code: "key.password-wrong" });
});

test("plain and OpenSSL-encrypted PEM files open; what is no key, or a weak one, is refused by name", async () => {
  const never = async (): Promise<string> => {
    throw new Error("asked for a password");
  };
  const ec = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const files = [
    ec.export({ type: "sec1", format: "pem" }),
    ec.export({ type: "pkcs8", format: "pem" }),
    rsa.export({ type: "pkcs1", format: "pem" }),
    rsa.export({ type: "pkcs8", format: "pem" }),
  ];
  for (const file of files)
    expect(
      (await openPrivateKey(utf8(String(file)), { subject, password: never })).sign(data).length,
    ).toBeGreaterThan(90);
  const locked = utf8(
    String(ec.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "pass" })),
  );
  expect((await openPrivateKey(locked, { subject, password: async () => "pass" })).publicKey.type).toBe(
    "ecdsa-p384",
  );
  await expect(openPrivateKey(locked, { subject, password: async () => "no" })).rejects.toMatchObject({
    code: "key.password-wrong",
  });
  const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
  const curve = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey;
  for (const key of [weak, curve])
    expect(() => parsePublicKey(String(key.export({ type: "spki", format: "pem" })), "w.pub")).toThrow(
      /w\.pub holds/,
    );
  expect(() => parsePublicKey(String(files[1]), "k.pub")).toThrow(/private key, where a public/);
  await expect(openPrivateKey(utf8("nothing"), { subject, password: never })).rejects.toMatchObject({
    code: "key.invalid",
  });
});

test("no way of printing a private key shows anything of it", async () => {
  const { privatePem } = await generateKeyPair("ecdsa-p256", { password: "" });
  const key = await openPrivateKey(utf8(privatePem), { subject, password: async () => "" });
  const { inspect } = await import("node:util");
  expect(inspect(key, { depth: null, showHidden: true })).not.toMatch(/PRIVATE/);
  expect(JSON.stringify(key)).not.toMatch(/PRIVATE/);
  expect(() => createPrivateKey(JSON.stringify(key))).toThrow();
});
