import { existsSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { textOf, utf8 } from "../base/bytes.js";
import { Failure } from "../base/failure.js";
import { diskFailure, systemCodeOf } from "../io/disk/disk-failure.js";
import { generateKeyPair, type KeyType, keyTypes, openPrivateKey, parsePublicKey } from "../trust/key.js";
import { authorityName } from "../trust/policy.js";
import { openContext, type StowageOptions } from "./context.js";
import { passwordOf, type SigningOptions } from "./signing.js";
import { keyVariable, openTrust, readPem } from "./trust.js";

export { type KeyType, keyTypes };

export interface GenerateKeyOptions extends StowageOptions {
  /** `cosign` makes `cosign.key` and `cosign.pub`. */
  readonly prefix?: string | undefined;
  readonly type?: KeyType | undefined;
  /** undefined where two answers differ. `$COSIGN_PASSWORD` goes before. */
  readonly askPassword?: ((subject: string) => Promise<string | undefined>) | undefined;
}

export interface GeneratedKey {
  readonly privateFile: string;
  readonly publicFile: string;
  readonly type: string;
  readonly fingerprint: string;
}

/**
 * Makes a key pair, and writes it where there is none yet.
 * @throws Failure `key.exists`, `key.password-missing`, `key.passwords-differ`
 */
export async function generateKey(options: GenerateKeyOptions = {}): Promise<GeneratedKey> {
  const context = await openContext(options);
  const { prefix = "cosign", type = "ecdsa-p256", askPassword } = options;
  const privateFile = resolve(context.cwd, `${prefix}.key`);
  const publicFile = resolve(context.cwd, `${prefix}.pub`);
  for (const path of [privateFile, publicFile]) if (existsSync(path)) throw keyExists(path);
  const password = await passwordOf(
    privateFile,
    {
      askPassword:
        askPassword &&
        (async (subject) => {
          const answer = await askPassword(subject);
          if (answer !== undefined) return answer;
          throw new Failure("usage", "the two passwords differ", { code: "key.passwords-differ" });
        }),
    },
    context,
  );
  const pair = await generateKeyPair(type, { password });
  await writeNew(privateFile, pair.privatePem);
  try {
    await writeNew(publicFile, pair.publicKey.pem);
  } catch (error) {
    // Half a pair is of use to nobody.
    await rm(privateFile, { force: true });
    throw error;
  }
  return { privateFile, publicFile, type: pair.publicKey.type, fingerprint: pair.publicKey.fingerprint };
}

const keyExists = (path: string): Failure =>
  new Failure("conflict", `${path} is there already`, {
    code: "key.exists",
    subject: path,
    hint: "A key is never overwritten: choose another name with --output-key-prefix.",
  });

/** Readable by its owner alone, and whole on disk before anybody is told of it. */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (systemCodeOf(error) === "EEXIST") throw keyExists(path);
    throw diskFailure(error, { doing: "write", path });
  }
}

export interface PublicKeyResult {
  readonly type: string;
  readonly fingerprint: string;
  readonly pem: string;
}

/** The public half of a key. @throws Failure `key.*` */
export async function publicKey(
  key: string,
  options: Pick<SigningOptions, "askPassword"> & StowageOptions = {},
): Promise<PublicKeyResult> {
  const context = await openContext(options);
  const variable = /^env:\/\/(.+)$/.exec(key)?.[1];
  const bytes =
    variable === undefined
      ? await readPem(resolve(context.cwd, key))
      : utf8(keyVariable(variable, context.env));
  const isPublic = (textOf(bytes) ?? "").includes("-----BEGIN PUBLIC KEY-----");
  const { type, fingerprint, pem } = isPublic
    ? parsePublicKey(bytes, key)
    : (await openPrivateKey(bytes, { subject: key, password: () => passwordOf(key, options, context) }))
        .publicKey;
  return { type, fingerprint, pem };
}

export interface TrustedParty {
  readonly mirror: string;
  readonly required: number;
  readonly who: readonly string[];
  readonly origin: string;
}

/** Whom this machine trusts for each of its mirrors. */
export async function listKeys(options: StowageOptions = {}): Promise<readonly TrustedParty[]> {
  const context = await openContext(options);
  const trust = openTrust(context);
  const found: TrustedParty[] = [];
  for (const mirror of await context.mirrors()) {
    const trusted = await trust.mirrorPolicy(mirror);
    if (trusted === undefined) continue;
    const { authorities, required, origin } = trusted.policy;
    found.push({ mirror: mirror.name, required, who: authorities.map(authorityName), origin });
  }
  return found;
}
