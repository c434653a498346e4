import type { Call } from "../base/call.js";
import { Failure, type FailureDocument } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { packageTags } from "../buildcache/oci-cache.js";
import { indexTag } from "../buildcache/tag.js";
import { systemClock } from "../io/system/clock.js";
import { demandManifest } from "../oci/copy.js";
import type { Digest } from "../oci/digest.js";
import { parseTag, type Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { voiceOf } from "../trust/endorsement.js";
import { shortFingerprint } from "../trust/key.js";
import type { Authority } from "../trust/policy.js";
import { assertEnough, collect, type IndexMemory, inOrder } from "../trust/policy-verifier.js";
import { openCertificateChecker } from "./certificates.js";
import { type Context, openContext, type StowageOptions } from "./context.js";
import { openRegistries } from "./registries.js";
import { openTrust, readPublicKey, type Trusted } from "./trust.js";

export interface VerifySignaturesOptions extends GivenTrust, StowageOptions {
  /** All packages of a mirror, and its index. */
  readonly all?: boolean | undefined;
}

export interface GivenTrust {
  /** Public keys to trust, instead of what is configured: files, or `env://NAME`. */
  readonly keys?: readonly string[] | undefined;
  /** Whom to trust by certificate, instead of what is configured. */
  readonly identity?:
    | {
        readonly subject?: string | undefined;
        readonly subjectRegexp?: string | undefined;
        readonly issuer?: string | undefined;
        readonly issuerRegexp?: string | undefined;
      }
    | undefined;
  readonly trustedRoot?: string | undefined;
}

export interface SignatureReport {
  readonly what: string;
  /** Where it says whom to trust. */
  readonly policy: string;
  readonly checked: readonly CheckedManifest[];
}

export interface CheckedManifest {
  readonly name: string;
  readonly digest: Digest;
  readonly by: readonly SignedBy[];
  /** undefined: verified. */
  readonly failure: FailureDocument | undefined;
}

export interface SignedBy {
  /** A key's fingerprint, or subject and issuer of a certificate. */
  readonly signer: string;
  readonly form: "payload" | "bundle";
  /** ISO 8601. */
  readonly signedAt: string | undefined;
  readonly annotations: Readonly<Record<string, string | number>>;
}

/**
 * Tells who signed an image, each of them, or all that a mirror has, as many as are asked for. Nothing that was
 * verified before is taken as such.
 * @throws Failure `signature.policy-missing`, `mirror.*`, `oci.*`
 */
export async function verifySignatures(
  what: string,
  options: VerifySignaturesOptions = {},
): Promise<SignatureReport> {
  const context = await openContext(options);
  const call: Call = { signal: context.signal, report: context.report };
  await using registries = openRegistries(context);
  const given = await givenTrust(options, context);
  const trust = openTrust(context);
  if (options.all === true) {
    const mirror = await context.mirror(what);
    const repository = await registries.repository(mirror, "fetch", { checked: false });
    const trusted = given ?? demandPolicy(await trust.mirrorPolicy(mirror), what);
    const tags = [...(await packageTags(repository, call)).values()].sort();
    const index = await repository.manifests.stat(indexTag, call);
    const all = index === undefined ? tags : [...tags, indexTag];
    const checked = await mapLimited(all, context.jobs ?? 16, (tag) =>
      // Of an index each signature counts: the newest may be the last.
      tag === indexTag
        ? check(repository, tag, { ...trusted, ...call, memory: trust.indexMemory })
        : check(repository, tag, { ...trusted, ...call, enough: trusted.policy.required }),
    );
    return { what, policy: trusted.policy.origin, checked };
  }
  const { repository, reference } = await registries.image(what, { checked: false });
  const trusted = given ?? demandPolicy(await trust.imagePolicy(repository), what);
  const named = reference.digest ?? reference.tag ?? parseTag("latest");
  const checked = [await check(repository, named, { ...trusted, ...call })];
  return { what, policy: trusted.policy.origin, checked };
}

async function check(
  repository: Repository,
  reference: Tag | Digest,
  {
    policy,
    certificates,
    enough,
    memory,
    ...call
  }: Trusted & Call & { readonly enough?: number; readonly memory?: IndexMemory },
): Promise<CheckedManifest> {
  const { digest } = (await demandManifest(repository, reference, call)).descriptor;
  const tag = reference === digest ? undefined : parseTag(reference);
  const subject = { digest, tag };
  const all = await collect(repository, subject, { policy, certificates, enough, ...call });
  const seen = memory && ((await memory.read(repository)) ?? 0);
  const about = { repository, subject, policy };
  const found = seen === undefined ? all : inOrder(all, { ...about, clock: systemClock, seen });
  return {
    name: tag === undefined ? `${repository.label}@${digest}` : `${repository.label}:${tag}`,
    digest,
    by: found.endorsements.map(({ signer, form, signedAt, claim }) => ({
      signer: signer.type === "key" ? shortFingerprint(signer.fingerprint) : voiceOf(signer),
      form,
      signedAt: signedAt?.toISOString(),
      annotations: claim.annotations,
    })),
    failure: failureOf(() => assertEnough(found, about)),
  };
}

function failureOf(demand: () => void): FailureDocument | undefined {
  try {
    demand();
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return error.toJSON();
    throw error;
  }
}

export function demandPolicy(trusted: Trusted | undefined, what: string): Trusted {
  if (trusted !== undefined) return trusted;
  throw new Failure("usage", `nothing says whom to trust for ${what}`, {
    code: "signature.policy-missing",
    subject: what,
    hint: "Give --key FILE.pub, or say it in trust.yaml.",
  });
}

/** Whom a command line says to trust, where it does. */
export async function givenTrust(
  { keys = [], identity = {}, trustedRoot }: GivenTrust,
  context: Context,
): Promise<Trusted | undefined> {
  const origin = "the command line";
  const authorities: Authority[] = [];
  for (const key of keys) authorities.push({ type: "key", key: await readPublicKey(key, context) });
  const { subject, subjectRegexp, issuer, issuerRegexp } = identity;
  const isGiven = [subject, subjectRegexp, issuer, issuerRegexp].some((text) => text !== undefined);
  if (isGiven) {
    const subjects = subject === undefined ? { matching: subjectRegexp ?? "" } : { text: subject };
    const issuers = issuer === undefined ? { matching: issuerRegexp ?? "" } : { text: issuer };
    authorities.push({ type: "identity", subject: subjects, issuer: issuers });
  }
  if (authorities.length === 0) return undefined;
  const policy = { origin, authorities, required: 1, signedAs: [] };
  return {
    policy,
    certificates: isGiven ? await openCertificateChecker(trustedRoot, { origin }) : undefined,
  };
}
