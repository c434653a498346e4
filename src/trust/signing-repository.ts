import type { Call } from "../base/call.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import type { Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { type Annotations, claimKeys } from "./claim.js";
import type { CertificateChecker } from "./endorsement.js";
import type { TrustPolicy } from "./policy.js";
import { claimedReference, collect, counterOf, type IndexMemory } from "./policy-verifier.js";
import { type SignTools, signManifest } from "./sign.js";
import { isCompanionTag } from "./stored-signature.js";

/** Signs what is found under tags of a repository. */
export interface Signing extends SignTools {
  /** The tag whose content has an order: each signature of it has a higher counter than the one before. */
  readonly ordered: Ordered;
}

interface Ordered {
  readonly tag: Tag;
  readonly memory: IndexMemory;
  /** Whose counters are believed. */
  readonly policy: TrustPolicy;
  readonly certificates: CertificateChecker | undefined;
}

/**
 * A repository that signs each manifest before a tag names it: no reader sees a tag of what is not signed, and a
 * crash leaves nothing behind but a manifest without a tag.
 */
export function signingRepository(repository: Repository, signing: Signing): Repository {
  const { manifests } = repository;
  return {
    ...repository,
    manifests: {
      ...manifests,
      async write(manifest, call) {
        const { tag, ...rest } = call ?? {};
        // What accompanies a manifest is not vouched for by being copied: others have made it.
        if (tag === undefined || isCompanionTag(tag)) return manifests.write(manifest, call);
        await manifests.write(manifest, rest);
        await signTagged(repository, { subject: manifest.descriptor, tag }, { ...signing, ...rest });
        await manifests.write(manifest, call);
      },
    },
  };
}

/** Signs what a tag names, or is about to. */
export async function signTagged(
  repository: Repository,
  { subject, tag }: { readonly subject: Descriptor; readonly tag: Tag },
  { ordered, ...tools }: Signing & Call,
): Promise<void> {
  const annotations = tag === ordered.tag ? await orderOf(repository, { ...ordered, ...tools }) : undefined;
  await signManifest(
    repository,
    { subject, reference: claimedReference(repository, tag), annotations },
    tools,
  );
}

/**
 * Signs an index that is as it was, so that its age starts again.
 * @param digest of what was read: what the tag names by now is another's to vouch for
 */
export async function renewIndex(
  repository: Repository,
  digest: Digest,
  { signal, report, ...signing }: Signing & Call,
): Promise<void> {
  const { tag } = signing.ordered;
  const subject = await repository.manifests.stat(digest, { signal, report });
  if (subject !== undefined) await signTagged(repository, { subject, tag }, { ...signing, signal, report });
}

/**
 * The next counter: above that of the index that is there and of any that this machine has seen, and never below
 * the clock's seconds, so that it grows even where somebody has taken the old signatures away.
 */
async function orderOf(
  repository: Repository,
  { tag, memory, policy, certificates, clock, signal, report }: Ordered & SignTools & Call,
): Promise<Annotations> {
  const call: Call = { signal, report };
  const present = await repository.manifests.stat(tag, call);
  const before =
    present === undefined
      ? []
      : (await collect(repository, { digest: present.digest, tag }, { policy, certificates, ...call }))
          .endorsements;
  const seen = Math.max((await memory.read(repository)) ?? 0, ...before.map(counterOf));
  const counter = Math.max(seen + 1, Math.floor(clock.now() / 1000));
  return { [claimKeys.counter]: String(counter) };
}
