import { resolve } from "node:path";
import { utf8 } from "../base/bytes.js";
import { Failure } from "../base/failure.js";
import { indexTag } from "../buildcache/tag.js";
import type { Mirror } from "../config/mirror.js";
import { keylessSigner, publicServices } from "../io/sigstore/keyless-signer.js";
import { systemClock, systemRandom } from "../io/system/clock.js";
import { openPrivateKey } from "../trust/key.js";
import { type SignatureFormat, signatureFormats } from "../trust/sign.js";
import { keySigner, type Signer } from "../trust/signer.js";
import type { Signing } from "../trust/signing-repository.js";
import type { Context } from "./context.js";
import { jobToken } from "./job-token.js";
import { keyVariable, openTrust, readPem } from "./trust.js";

/** Who signs, and how. */
export interface SigningOptions {
  /** A private key: a file, or `env://NAME`. Without one, the job's token says who signs. */
  readonly key?: string | undefined;
  /** How signatures are stored; `cosign2` for a key, `cosign3` for a job. */
  readonly signatureFormats?: readonly SignatureFormat[] | undefined;
  /** Asks a person for the password of a key; `$COSIGN_PASSWORD` goes before. */
  readonly askPassword?: ((subject: string) => Promise<string>) | undefined;
  /** The services of a keyless signature, where they are not the public ones. */
  readonly fulcioUrl?: string | undefined;
  readonly rekorUrl?: string | undefined;
  readonly tsaUrl?: string | undefined;
}

/** Opens what signs for a mirror: once, so that a password is asked for once. */
export async function openSigning(
  options: SigningOptions,
  { context, mirror }: { readonly context: Context; readonly mirror: Mirror },
): Promise<Signing> {
  const signer = await openSigner(options, context);
  const trust = openTrust(context);
  const trusted = await trust.mirrorPolicy(mirror);
  const own = {
    origin: "the signing key",
    authorities: signer.publicKey === undefined ? [] : [{ type: "key" as const, key: signer.publicKey }],
    required: 1,
    signedAs: "any" as const,
  };
  return {
    signer,
    formats: options.signatureFormats ?? (signer.publicKey === undefined ? ["cosign3"] : ["cosign2"]),
    clock: systemClock,
    random: systemRandom,
    ordered: {
      tag: indexTag,
      memory: trust.indexMemory,
      policy: trusted?.policy ?? own,
      certificates: trusted?.certificates,
    },
  };
}

/** What verbs take that write to a mirror. */
export interface WriteSigning extends SigningOptions {
  /** Sign what is written, before a tag names it; given by itself where a key is. */
  readonly sign?: boolean | undefined;
  /** Write without signatures to a mirror that says that its packages are signed. */
  readonly unsigned?: boolean | undefined;
}

/**
 * What signs, where something does. Packages without signatures in a signed mirror would be of use to nobody.
 * @throws Failure `push.unsigned`, `sign.*`, `key.*`
 */
export async function signingFor(
  options: WriteSigning,
  { context, mirror }: { readonly context: Context; readonly mirror: Mirror },
): Promise<Signing | undefined> {
  if (options.sign ?? options.key !== undefined) return openSigning(options, { context, mirror });
  if (!mirror.signed || options.unsigned === true) return undefined;
  throw new Failure(
    "denied",
    `what is written to mirror ${mirror.name} must be signed, and there is no key to sign it`,
    {
      code: "push.unsigned",
      subject: mirror.name,
      hint: "Give --key FILE, or --sign in a job that has a token; --unsigned writes what nobody will install.",
    },
  );
}

/** @throws Failure `key.*`, `sign.key-missing` */
export async function openSigner(options: SigningOptions, context: Context): Promise<Signer> {
  const { key } = options;
  if (key !== undefined) {
    const variable = /^env:\/\/(.+)$/.exec(key)?.[1];
    const path = resolve(context.cwd, key);
    const bytes = variable === undefined ? await readPem(path) : utf8(keyVariable(variable, context.env));
    return keySigner(
      await openPrivateKey(bytes, {
        subject: variable === undefined ? path : key,
        password: () => passwordOf(key, options, context),
      }),
    );
  }
  const token = jobToken(context);
  if (token !== undefined)
    return keylessSigner({
      token,
      fulcioUrl: options.fulcioUrl ?? publicServices.fulcioUrl,
      rekorUrl: options.rekorUrl ?? (options.tsaUrl === undefined ? publicServices.rekorUrl : undefined),
      tsaUrl: options.tsaUrl,
    });
  throw new Failure("usage", "nothing to sign with: no key is given, and this is no job that has a token", {
    code: "sign.key-missing",
    hint: "Give --key FILE or --key env://NAME. In GitHub a job needs `permissions: {id-token: write}`, in GitLab `id_tokens: {SIGSTORE_ID_TOKEN: {aud: sigstore}}`.",
  });
}

/** @throws Failure `key.password-missing` */
export async function passwordOf(
  subject: string,
  { askPassword }: Pick<SigningOptions, "askPassword">,
  { env }: Pick<Context, "env">,
): Promise<string> {
  const given = env["COSIGN_PASSWORD"];
  if (given !== undefined) return given;
  if (askPassword !== undefined) return askPassword(subject);
  throw new Failure("usage", `${subject} is encrypted, and nobody says its password`, {
    code: "key.password-missing",
    subject,
    hint: "Set COSIGN_PASSWORD (empty for a key without one), or run this at a terminal.",
  });
}

/** @throws Failure `sign.format-unknown` */
export function parseSignatureFormats(texts: readonly string[]): readonly SignatureFormat[] | undefined {
  if (texts.length === 0) return undefined;
  return signatureFormats.filter((format) => texts.includes(format) || texts.includes("both"));
}
