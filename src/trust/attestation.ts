import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { Repository } from "../oci/repository.js";
import { decodeStatement, signPredicate, type Statement, statementType } from "./claim.js";
import { readTaggedEnvelopes, writeTaggedEnvelope } from "./dsse.js";
import { distrust, type Endorsement, endorsementOf } from "./endorsement.js";
import {
  assertAbout,
  assertEnough,
  type Collected,
  type CollectOptions,
  labelOf,
} from "./policy-verifier.js";
import { attest, type SignTools } from "./sign.js";
import { type BrokenSignature, readBundles, type StoredBundle } from "./stored-signature.js";
import type { Subject } from "./verifier.js";

/** Predicates by the names that cosign gives them. */
const namedTypes: Readonly<Record<string, string>> = {
  slsaprovenance1: "https://slsa.dev/provenance/v1",
  slsaprovenance: "https://slsa.dev/provenance/v0.2",
  slsaprovenance02: "https://slsa.dev/provenance/v0.2",
  spdx: "https://spdx.dev/Document",
  spdxjson: "https://spdx.dev/Document",
  cyclonedx: "https://cyclonedx.org/bom",
  vuln: "https://cosign.sigstore.dev/attestation/vuln/v1",
  openvex: "https://openvex.dev/ns",
};

/** The URI of a predicate type: as it is, or by its name in cosign. @throws Failure `attest.type-unknown` */
export function parsePredicateType(text: string): string {
  const named = namedTypes[text];
  if (named !== undefined) return named;
  if (/^[a-z][a-z0-9+.-]*:\S+$/i.test(text)) return text;
  throw new Failure("usage", `"${text}" is no type of predicates`, {
    code: "attest.type-unknown",
    subject: text,
    hint: `Write a URI, or one of ${Object.keys(namedTypes).join(", ")}.`,
  });
}

/** Signs a statement about a manifest, and stores it beside it, in each of the formats. */
export async function attestManifest(
  repository: Repository,
  { subject, statement }: { readonly subject: Descriptor; readonly statement: Statement },
  { formats, ...tools }: SignTools & Call,
): Promise<void> {
  for (const format of formats)
    if (format === "cosign3") await attest(repository, { subject, statement }, tools);
    else await writeTaggedEnvelope(repository, { subject: subject.digest, statement }, tools);
}

/** The attestations of a manifest that a policy accepts, and what is wrong with the others. */
export interface Attestations extends Collected {
  /** Types of those that are accepted, and are not of the type asked for. */
  readonly otherTypes: ReadonlySet<string>;
}

export interface AttestationOptions extends CollectOptions {
  /** Only those whose predicate is of this type. */
  readonly predicateType?: string | undefined;
}

export async function collectAttestations(
  repository: Repository,
  subject: Subject,
  { policy, certificates, predicateType, signal, report }: AttestationOptions,
): Promise<Attestations> {
  const call: Call = { signal, report };
  const endorsements: Endorsement[] = [];
  const faults: Failure[] = [];
  const otherTypes = new Set<string>();
  const label = labelOf(repository, subject);
  for (const read of [readTaggedEnvelopes, readBundles])
    for await (const stored of read(repository, subject.digest, call)) {
      checkInterrupted(call);
      if (isSignature(stored)) continue;
      try {
        const found = await endorsementOf(stored, { policy, certificates, subject: label, ...call });
        assertAbout(found, { repository, subject, policy });
        if (predicateType === undefined || found.predicateType === predicateType) endorsements.push(found);
        else otherTypes.add(found.predicateType ?? "");
      } catch (error) {
        if (!(error instanceof Failure) || error.kind !== "corrupt") throw error;
        faults.push(error);
      }
    }
  return { endorsements, faults, otherTypes };
}

/** A plain signature of cosign 3 says nothing but that it is one. What claims to be one counts as none here. */
function isSignature(stored: StoredBundle | BrokenSignature): boolean {
  if (stored.form === "broken" || stored.bundle.payloadType !== statementType) return false;
  try {
    return decodeStatement(stored.bundle.payload, "").predicateType === signPredicate;
  } catch (error) {
    if (error instanceof Failure) return false;
    throw error;
  }
}

/**
 * @throws Failure `trust.attestation-missing`, `trust.attestation-type`, `trust.too-few`, or what is wrong with those
 * that there are
 */
export function assertAttested(
  { otherTypes, ...found }: Attestations,
  {
    repository,
    subject,
    policy,
    predicateType,
  }: AttestationOptions & {
    readonly repository: Repository;
    readonly subject: Subject;
  },
): void {
  if (found.endorsements.length + found.faults.length > 0) {
    assertEnough(found, { repository, subject, policy });
    return;
  }
  const label = labelOf(repository, subject);
  if (otherTypes.size === 0)
    throw distrust(`${label} has no attestation`, {
      code: "trust.attestation-missing",
      subject: label,
      hint: "`stowage attest` makes one; `stowage referrers` shows what there is.",
    });
  throw distrust(
    `${label} has no attestation of type ${predicateType}, but of ${[...otherTypes].join(", ")}`,
    {
      code: "trust.attestation-type",
      subject: label,
      hint: "Ask for one of those with --type.",
    },
  );
}
