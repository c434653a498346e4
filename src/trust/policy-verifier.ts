import { type Call, checkInterrupted } from "../base/call.js";
import type { Clock } from "../base/clock.js";
import { Failure } from "../base/failure.js";
import type { Tag } from "../oci/reference.js";
import { formatImageReference, type ImageReference, parseImageReference } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { claimKeys, signPredicate } from "./claim.js";
import {
  type CertificateChecker,
  distrust,
  type Endorsement,
  endorsementOf,
  voiceOf,
} from "./endorsement.js";
import { authorityName, policyHash, type TrustPolicy } from "./policy.js";
import { readSignatures } from "./stored-signature.js";
import type { Subject, Verifier } from "./verifier.js";

/** What was verified before, on this machine. */
export interface VerifiedMemory {
  has(what: string): Promise<boolean>;
  add(what: string): Promise<void>;
}

/** The newest index that this machine has seen of each repository, by its counter. */
export interface IndexMemory {
  read(repository: Repository): Promise<number | undefined>;
  write(repository: Repository, counter: number): Promise<void>;
}

export interface PolicyVerifierOptions {
  readonly policy: TrustPolicy;
  readonly certificates: CertificateChecker | undefined;
  readonly clock: Clock;
  readonly verified: VerifiedMemory;
  /** Tags whose content has an order (the index), which must not go back. */
  readonly ordered: { readonly tag: Tag; readonly memory: IndexMemory } | undefined;
}

/** A verifier by a policy: signatures are looked for where cosign puts them. */
export function policyVerifier(options: PolicyVerifierOptions): Verifier {
  const { policy, certificates, verified, ordered } = options;
  const hash = `${policyHash(policy)} ${certificates?.root ?? "-"}`;
  const running = new Map<string, Promise<void>>();
  return {
    async verify(repository, subject, call) {
      if (subject.tag !== undefined && subject.tag === ordered?.tag)
        return verifyOrdered(repository, subject, { ...options, ...call, memory: ordered.memory });
      const what = `${hash} ${repository.registry}/${repository.name} ${subject.tag ?? "-"} ${subject.digest}`;
      const known = running.get(what);
      if (known !== undefined) return known;
      const result = (async () => {
        if (await verified.has(what)) return;
        const found = await collect(repository, subject, { ...options, ...call, enough: policy.required });
        assertEnough(found, { repository, subject, policy });
        await verified.add(what);
      })();
      running.set(what, result);
      // What failed may be mended, and is then asked for again.
      result.catch(() => running.delete(what));
      return result;
    },
  };
}

async function verifyOrdered(
  repository: Repository,
  subject: Subject,
  options: PolicyVerifierOptions & Call & { readonly memory: IndexMemory },
): Promise<void> {
  const { policy, memory } = options;
  const seen = (await memory.read(repository)) ?? 0;
  const found = inOrder(await collect(repository, subject, options), {
    ...options,
    repository,
    subject,
    seen,
  });
  assertEnough(found, { repository, subject, policy });
  const highest = new Map<string, number>();
  for (const one of found.endorsements)
    highest.set(voiceOf(one.signer), Math.max(counterOf(one), highest.get(voiceOf(one.signer)) ?? 0));
  const counter = [...highest.values()].sort((a, b) => b - a)[policy.required - 1] ?? 0;
  if (counter > seen) await memory.write(repository, counter);
}

/**
 * Of the signatures of what has an order, those that are not older than one that was seen, nor than `max-age` allows.
 * @param seen the highest counter
 */
export function inOrder(
  { endorsements, faults }: Collected,
  { repository, subject, policy, clock, seen }: About & { readonly clock: Clock; readonly seen: number },
): Collected {
  const label = labelOf(repository, subject);
  const isFresh = ({ signedAt }: Endorsement): boolean =>
    policy.maxAge === undefined ||
    (signedAt !== undefined && clock.now() - signedAt.getTime() <= policy.maxAge);
  const rollback = (one: Endorsement): Failure =>
    distrust(
      `${label} is older (${counterOf(one)}) than one seen before (${seen}): somebody has put an old index back`,
      {
        code: "trust.index-rollback",
        subject: label,
        hint: "Ask who runs the registry. `stowage buildcache update-index MIRROR --key FILE` makes it anew of the packages that are there.",
      },
    );
  const stale = ({ signedAt }: Endorsement): Failure =>
    distrust(
      `${label} was signed ${signedAt === undefined ? "nobody says when" : `at ${signedAt.toISOString()}`}, longer ago than the max-age in ${policy.origin} allows`,
      {
        code: "trust.index-stale",
        subject: label,
        hint: "Sign it again: `stowage sign MIRROR --index`.",
      },
    );
  // Older signatures of the same index stay beside the newer ones: they tell of no attack.
  const newest = endorsements.filter((one) => counterOf(one) >= seen);
  const late =
    newest.length === 0 ? endorsements.map(rollback) : newest.filter((one) => !isFresh(one)).map(stale);
  return { endorsements: newest.filter(isFresh), faults: [...faults, ...late] };
}

/** An index signed without a counter is older than any that has one. */
export const counterOf = ({ claim }: Pick<Endorsement, "claim">): number => {
  const counter = Number(claim.annotations[claimKeys.counter] ?? 0);
  return Number.isSafeInteger(counter) && counter > 0 ? counter : 0;
};

export interface Collected {
  readonly endorsements: Endorsement[];
  readonly faults: Failure[];
}

export interface CollectOptions extends Call {
  readonly policy: TrustPolicy;
  readonly certificates: CertificateChecker | undefined;
  /** Look no further once so many have signed. */
  readonly enough?: number | undefined;
}

/** All signatures of a manifest that a policy accepts, and what is wrong with the others. */
export async function collect(
  repository: Repository,
  subject: Subject,
  { policy, certificates, enough = Number.POSITIVE_INFINITY, signal, report }: CollectOptions,
): Promise<Collected> {
  const found: Collected = { endorsements: [], faults: [] };
  const voices = new Set<string>();
  const call: Call = { signal, report };
  const label = labelOf(repository, subject);
  for await (const stored of readSignatures(repository, subject.digest, call)) {
    checkInterrupted(call);
    try {
      const endorsement = await endorsementOf(stored, { policy, certificates, subject: label, ...call });
      // An attestation says something about the manifest; that it is good, it does not say.
      if (endorsement.form === "bundle" && endorsement.predicateType !== signPredicate) continue;
      assertAbout(endorsement, { repository, subject, policy });
      found.endorsements.push(endorsement);
      voices.add(voiceOf(endorsement.signer));
    } catch (error) {
      if (!(error instanceof Failure) || error.kind !== "corrupt") throw error;
      found.faults.push(error);
    }
    if (voices.size >= enough) break;
  }
  return found;
}

interface About {
  readonly repository: Repository;
  readonly subject: Subject;
  readonly policy: TrustPolicy;
}

/** @throws Failure `trust.digest-differs`, `trust.reference-differs` */
export function assertAbout(
  { claim }: Pick<Endorsement, "claim">,
  { repository, subject, policy }: About,
): void {
  const label = labelOf(repository, subject);
  if (claim.digest !== subject.digest)
    throw distrust(`${label} has a signature that is for ${claim.digest}`, {
      code: "trust.digest-differs",
      subject: label,
    });
  if (claim.reference === undefined || isNameOf(claim.reference, { repository, subject, policy })) return;
  throw distrust(`${label} has a signature that is for ${claim.reference}, and was moved here`, {
    code: "trust.reference-differs",
    subject: label,
    hint: `Where it was copied on purpose, say so by signed-as in trust.yaml.`,
  });
}

function isNameOf(text: string, { repository, subject, policy }: About): boolean {
  const claimed = referenceIn(text);
  if (claimed === undefined) return false;
  if (claimed.digest !== undefined && claimed.digest !== subject.digest) return false;
  if (claimed.tag !== undefined && subject.tag !== undefined && claimed.tag !== subject.tag) return false;
  const own = domainOf(repository);
  // A layout on disk has no name that could be right or wrong.
  if (own === undefined || policy.signedAs === "any") return true;
  const names = [`${own}/${repository.name}`, ...policy.signedAs].map((name) => nameIn(name));
  return names.includes(nameIn(text));
}

const nameIn = (text: string): string | undefined => {
  const reference = referenceIn(text);
  return (
    reference &&
    formatImageReference({
      ...reference,
      domain: reference.domain.toLowerCase(),
      tag: undefined,
      digest: undefined,
    })
  );
};

function referenceIn(text: string): ImageReference | undefined {
  try {
    return parseImageReference(text);
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

/** Host and port of a repository's registry; undefined where it is in none. */
export function domainOf({ registry }: Repository): string | undefined {
  return /^https?:\/\//.test(registry) ? new URL(registry).host : undefined;
}

/** What a signature made here is for: the name that a reader will ask for. */
export function claimedReference(repository: Repository, tag: Tag | undefined): string {
  const { domain, name } = parseImageReference(`${domainOf(repository) ?? "localhost"}/${repository.name}`);
  return formatImageReference({ domain, name, tag, digest: undefined });
}

export const labelOf = ({ label }: Repository, { tag, digest }: Subject): string =>
  tag === undefined ? `${label}@${digest}` : `${label}:${tag}`;

/** The most telling first. */
const telling = [
  "trust.index-rollback",
  "trust.index-stale",
  "trust.digest-differs",
  "trust.reference-differs",
  "trust.signature-invalid",
  "trust.certificate-invalid",
  "trust.identity-differs",
  "trust.key-unknown",
];

/** @throws Failure `trust.unsigned`, `trust.too-few`, or what is wrong with the signatures there are */
export function assertEnough(
  { endorsements, faults }: Collected,
  { repository, subject, policy }: About,
): void {
  const voices = new Set(endorsements.map(({ signer }) => voiceOf(signer)));
  if (voices.size >= policy.required) return;
  const [fault] = faults.toSorted((a, b) => telling.indexOf(a.code) - telling.indexOf(b.code));
  const label = labelOf(repository, subject);
  if (voices.size > 0)
    throw distrust(
      `${label} is signed by ${voices.size} of the ${policy.required} that ${policy.origin} asks for${fault === undefined ? "" : `; besides, ${fault.message}`}`,
      {
        code: "trust.too-few",
        subject: label,
        cause: fault,
        hint: `Trusted: ${policy.authorities.map(authorityName).join(", ")}.`,
      },
    );
  if (fault !== undefined) throw fault;
  throw distrust(`${label} is not signed`, {
    code: "trust.unsigned",
    subject: label,
    hint: `Sign it with \`stowage sign\`, or have it signed by ${policy.authorities.map(authorityName).join(" or ") || "somebody"}; ${policy.origin} asks for it.`,
  });
}
