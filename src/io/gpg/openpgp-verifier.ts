import type { Key, Message, SignaturePacket } from "openpgp";
import { textOf } from "../../base/bytes.js";
import type { Clock } from "../../base/clock.js";
import { Failure } from "../../base/failure.js";
import { parseClearsigned } from "../../trust/clearsigned.js";
import type { DocumentVerifier } from "../../trust/openpgp.js";
import { assertHash, type Refusal, refusalOf } from "../../trust/openpgp-refusal.js";
import { clockSkew, textSignature } from "./gpg-verifier.js";

export type OpenPgp = typeof import("openpgp");

/** Keys as files and `gpg --export` hold them, armored or not. */
export interface PublicKeys {
  readonly trusted: Uint8Array;
  /** In the keyring, and said there never to be trusted. */
  readonly distrusted: Uint8Array;
  /** For messages: where they come from. */
  readonly label: string;
}

/** The library, which is not bundled and so may be missing. */
export async function loadOpenPgp(): Promise<OpenPgp | undefined> {
  try {
    return await import("openpgp");
  } catch (error) {
    // The command is a script, in which import() is require().
    const missing = ["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"];
    if (error instanceof Error && "code" in error && missing.includes(String(error.code))) return undefined;
    throw error;
  }
}

/** Verifies in this process. @throws Failure `gpg.keyring-broken` */
export async function createOpenPgpVerifier(
  openpgp: OpenPgp,
  { trusted, distrusted, label }: PublicKeys,
  { clock }: { clock: Clock },
): Promise<DocumentVerifier> {
  const keys = await readKeys(openpgp, trusted, label);
  const others = await readKeys(openpgp, distrusted, label);
  return {
    async open(document, { subject }) {
      const { text, armor, hashes } = parseClearsigned(document, subject);
      const signature = await readSignature(openpgp, armor, subject);
      const packets: readonly SignaturePacket[] = signature.packets;
      const message = await openpgp.createMessage({ binary: text });
      const latest = Math.max(...packets.map(({ created }) => created?.getTime() ?? 0));
      const now = clock.now();
      const date = new Date(latest > now && latest <= now + clockSkew ? latest : now);
      // The library leaves out packets that it cannot use; each has to be good, or what is shown as signed is not.
      if (packets.length === 0 || packets.some((packet) => packet.signatureType !== textSignature))
        throw malformed(subject);
      const { signatures } = await openpgp.verify({
        message,
        signature,
        verificationKeys: [...keys],
        format: "binary",
        date,
      });
      const signers = packets.map(async (packet, i) => {
        const id = packet.issuerKeyID;
        const key = keys.find((one) => one.getKeys(id).length > 0);
        const shortKey = id.toHex().toUpperCase();
        if (key === undefined) {
          const known = others.some((one) => one.getKeys(id).length > 0);
          throw refusalOf(known ? "key-untrusted" : "key-unknown", { subject, key: shortKey });
        }
        const fingerprint = key.getFingerprint().toUpperCase();
        assertHash(packet.hashAlgorithm ?? 0, hashes, { subject, key: fingerprint });
        try {
          if ((await signatures[i]?.verified) !== true) throw malformed(subject);
          // The library asks only whether the key was good when the signature says that it was made.
          await key.getSigningKey(id, date);
        } catch (cause) {
          throw refusalOf(await reasonOf(packet, { key, message, date }), {
            subject,
            key: fingerprint,
            cause,
          });
        }
        return { fingerprint, userId: key.getUserIDs()[0], signedAt: packet.created ?? date };
      });
      return { text, signers: await Promise.all(signers) };
    },
  };
}

/** Why the library refuses a signature: it says so only in sentences. */
async function reasonOf(
  packet: SignaturePacket,
  { key, message, date }: { key: Key; message: Message<Uint8Array>; date: Date },
): Promise<Refusal> {
  const [signing] = key.getKeys(packet.issuerKeyID);
  const [literal] = message.packets;
  if (signing === undefined || literal === undefined || packet.created === null) return "signature-wrong";
  try {
    // At the time that it names itself, so that only what was signed matters.
    await packet.verify(signing.keyPacket, textSignature, literal, packet.created, true);
  } catch {
    return "signature-wrong";
  }
  if (packet.isExpired(date)) return "signature-expired";
  if (await key.isRevoked()) return "key-revoked";
  const subkey = key.getSubkeys(packet.issuerKeyID)[0];
  const [binding] = subkey?.bindingSignatures ?? [];
  if (subkey !== undefined && binding !== undefined && (await subkey.isRevoked(binding, key.keyPacket, date)))
    return "key-revoked";
  const ends = [await key.getExpirationTime(), await subkey?.getExpirationTime()];
  return ends.some((end) => typeof end === "object" && end !== null && end <= date)
    ? "key-expired"
    : "key-unusable";
}

async function readSignature(openpgp: OpenPgp, armoredSignature: string, subject: string) {
  try {
    return await openpgp.readSignature({ armoredSignature });
  } catch (error) {
    throw malformed(subject, error);
  }
}

const malformed = (subject: string, cause?: unknown): Failure =>
  new Failure("corrupt", `${subject} has a signature that is none`, {
    code: "gpg.document-malformed",
    subject,
    cause,
  });

/** One block of armored keys in a file that may hold several, with text between them. */
const armoredKeys = /-----BEGIN PGP (PUBLIC|PRIVATE) KEY BLOCK-----.*?-----END PGP \1 KEY BLOCK-----/gs;

async function readKeys(openpgp: OpenPgp, bytes: Uint8Array, label: string): Promise<readonly Key[]> {
  if (bytes.byteLength === 0) return [];
  const blocks = (textOf(bytes) ?? "").match(armoredKeys);
  try {
    if (blocks === null) return await openpgp.readKeys({ binaryKeys: bytes });
    return (await Promise.all(blocks.map((block) => openpgp.readKeys({ armoredKeys: `${block}\n` })))).flat();
  } catch (cause) {
    throw new Failure("corrupt", `${label} holds no OpenPGP keys that can be read`, {
      code: "gpg.keyring-broken",
      subject: label,
      hint: "`gpg --show-keys FILE` shows what is in it.",
      cause,
    });
  }
}
