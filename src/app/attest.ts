import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Call, checkInterrupted } from "../base/call.js";
import { Failure, type FailureDocument } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { readEntry } from "../buildcache/entry.js";
import { hashOfTag } from "../buildcache/tag.js";
import { diskFailure } from "../io/disk/disk-failure.js";
import { demandManifest } from "../oci/copy.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import { parseJson } from "../oci/json.js";
import { parseTag, type Tag } from "../oci/reference.js";
import { readSbom } from "../sbom/attached-sbom.js";
import { documentLimit } from "../sbom/facts.js";
import { provenanceType } from "../sbom/provenance.js";
import { type SbomFormat, sbomFormats } from "../sbom/sbom.js";
import {
  assertAttested,
  attestManifest,
  collectAttestations,
  parsePredicateType,
} from "../trust/attestation.js";
import { voiceOf } from "../trust/endorsement.js";
import { shortFingerprint } from "../trust/key.js";
import { claimedReference } from "../trust/policy-verifier.js";
import { openBuilds } from "./builds.js";
import { openContext, type StowageOptions } from "./context.js";
import { namedPackages } from "./named-packages.js";
import { openRegistries } from "./registries.js";
import { demandPolicy, type GivenTrust, givenTrust } from "./signature.js";
import { openSigning, type SigningOptions } from "./signing.js";
import { openTrust } from "./trust.js";

export interface AttestOptions extends SigningOptions, StowageOptions {
  /** Packages of the mirror: `hdf5+mpi`, `/7i7xbvp`. */
  readonly specs?: readonly string[] | undefined;
  /** Tags of images. */
  readonly tags?: readonly string[] | undefined;
  /** All packages of the mirror that were built in this store. */
  readonly all?: boolean | undefined;
  /** A JSON file that is said about them; else how they were built, as this store tells. */
  readonly predicate?: string | undefined;
  /** Type of the predicate: a URI, or a name of cosign's (`vuln`, `spdx`, `slsaprovenance1`). */
  readonly type?: string | undefined;
  /** URI of who built, where this is no job of GitHub or GitLab. */
  readonly builder?: string | undefined;
  /** The store's paths are below this directory. */
  readonly sysroot?: string | undefined;
}

export interface AttestResult {
  readonly mirror: string;
  readonly signer: string;
  readonly predicateType: string;
  readonly attested: readonly AttestedTag[];
  /** Packages, where all were asked for, that this store has not built. */
  readonly skipped: readonly string[];
  readonly failed: readonly { readonly tag: string; readonly failure: FailureDocument }[];
}

export interface AttestedTag {
  readonly tag: string;
  readonly digest: Digest;
}

/** As many manifests are attested at once: each waits for the registry nearly all of the time. */
const defaultJobs = 16;

/**
 * Signs statements about packages or images of a mirror, by the digests that their tags name now: where nothing else is
 * given, how the packages were built, which only the store that has built them can tell.
 *
 * What fails is in the result, and the rest is attested all the same.
 * @throws Failure `mirror.*`, `key.*`, `attest.*` for what stops all of it
 */
export async function attest(mirrorName: string, options: AttestOptions): Promise<AttestResult> {
  const { specs = [], tags = [], all = false } = options;
  if (specs.length === 0 && tags.length === 0 && !all)
    throw new Failure("usage", "nothing to attest was named", {
      code: "attest.nothing-asked",
      hint: "Name specs, or give --all or --tag NAME.",
    });
  const context = await openContext(options);
  const call: Call = { signal: context.signal, report: context.report };
  const predicateType = predicateTypeOf(options);
  const billed = sbomFormats.find((format) => sbomPredicates[format] === predicateType);
  const predicate =
    options.predicate === undefined
      ? undefined
      : await readPredicate(resolve(context.cwd, options.predicate));
  const mirror = await context.mirror(mirrorName);
  const signing = await openSigning(
    { ...options, signatureFormats: options.signatureFormats ?? ["cosign3"] },
    { context, mirror },
  );
  await using registries = openRegistries(context);
  const repository = await registries.repository(mirror, "push");
  const plain = await registries.repository(mirror, "push", { checked: false });
  await using builds =
    options.predicate === undefined && billed === undefined
      ? await openBuilds(context, { ...options, repository })
      : undefined;
  const packages = await namedPackages(repository, { specs, all, only: "package" }, context);
  const wanted =
    all && builds !== undefined ? packages.filter((tag) => builds.hasBuilt(hashOfTag(tag))) : packages;
  const attested: AttestedTag[] = [];
  const failed: { tag: string; failure: FailureDocument }[] = [];
  call.report?.({ type: "planned", tasks: wanted.length + tags.length });
  await mapLimited([...wanted, ...tags.map(parseTag)], context.jobs ?? defaultJobs, attestOne);
  return {
    mirror: mirror.name,
    signer: signing.signer.name,
    predicateType,
    attested,
    skipped: packages.filter((tag) => !wanted.includes(tag)),
    failed,
  };

  async function attestOne(tag: Tag): Promise<void> {
    checkInterrupted(call);
    const task = { id: tag, verb: "sign", subject: tag } as const;
    call.report?.({ type: "started", task });
    try {
      const { subject, said } = await statementOn(tag);
      const reference = claimedReference(repository, undefined);
      const claim = { digest: subject.digest, reference, annotations: {} };
      const statement = { subjects: [claim], predicateType, predicate: said };
      await attestManifest(plain, { subject, statement }, { ...signing, ...call });
      attested.push({ tag, digest: subject.digest });
      call.report?.({ type: "finished", task, outcome: "signed" });
    } catch (error) {
      if (!(error instanceof Failure) || error.kind === "interrupted") throw error;
      const failure = error.toJSON();
      failed.push({ tag, failure });
      call.report?.({ type: "failed", task, failure });
    }
  }

  async function statementOn(tag: Tag): Promise<{ subject: Descriptor; said: unknown }> {
    const hash = hashOfTag(tag);
    if (builds !== undefined) {
      const entry = hash === undefined ? undefined : await readEntry(repository, tag, call);
      if (entry === undefined)
        throw predicateMissing(tag, "it is no package of which is known how it was built");
      return { subject: entry.manifest.descriptor, said: await builds.provenanceOf(entry) };
    }
    const subject = (await demandManifest(repository, tag, call)).descriptor;
    if (predicate !== undefined || billed === undefined) return { subject, said: predicate };
    const sbom = await readSbom(plain, { digest: subject.digest, hash }, { ...call, format: billed });
    if (sbom === undefined) throw predicateMissing(tag, `it has no ${billed} SBOM attached`);
    return { subject, said: parseJson(sbom.bytes, tag, documentLimit) };
  }
}

/** An SBOM that is attached can be signed as it is. */
const sbomPredicates: Readonly<Record<SbomFormat, string>> = {
  spdx: parsePredicateType("spdx"),
  cyclonedx: parsePredicateType("cyclonedx"),
};

/** @throws Failure `attest.type-unknown`, `attest.predicate-missing` */
function predicateTypeOf({ type, predicate }: AttestOptions): string {
  if (type === undefined && predicate !== undefined)
    throw new Failure("usage", `of what type ${predicate} is was not said`, {
      code: "attest.type-unknown",
      subject: predicate,
      hint: "Say it with --type: a URI, or a name of cosign's, as vuln.",
    });
  const found = type === undefined ? provenanceType : parsePredicateType(type);
  if (predicate === undefined && found !== provenanceType && !Object.values(sbomPredicates).includes(found))
    throw predicateMissing(found, "stowage has nothing of this type to say");
  return found;
}

const predicateMissing = (subject: string, why: string): Failure =>
  new Failure("usage", `nothing to say about ${subject}: ${why}`, {
    code: "attest.predicate-missing",
    subject,
    hint: "Give what is to be said: --predicate FILE --type URI.",
  });

async function readPredicate(path: string): Promise<unknown> {
  try {
    return parseJson(await readFile(path), path, documentLimit);
  } catch (error) {
    throw diskFailure(error, { doing: "read", path });
  }
}

export interface VerifyAttestationsOptions extends GivenTrust, StowageOptions {
  /** Only of this type: a URI, or a name of cosign's. */
  readonly type?: string | undefined;
}

export interface VerifiedAttestations {
  readonly name: string;
  readonly digest: Digest;
  /** Where it says whom to trust. */
  readonly policy: string;
  readonly attestations: readonly VerifiedAttestation[];
}

export interface VerifiedAttestation {
  /** A key's fingerprint, or subject and issuer of a certificate. */
  readonly signer: string;
  /** ISO 8601, as a log or a time stamp authority says. */
  readonly signedAt: string | undefined;
  readonly predicateType: string;
  readonly predicate: unknown;
}

/**
 * Verifies what is attested about an image, by whom it is to be.
 * @throws Failure `trust.*` where nothing verifies, `signature.policy-missing`, `oci.*`
 */
export async function verifyAttestations(
  what: string,
  options: VerifyAttestationsOptions = {},
): Promise<VerifiedAttestations> {
  const context = await openContext(options);
  const call: Call = { signal: context.signal, report: context.report };
  await using registries = openRegistries(context);
  const { repository, reference } = await registries.image(what, { checked: false });
  const given = await givenTrust(options, context);
  const trusted = given ?? demandPolicy(await openTrust(context).imagePolicy(repository), what);
  const named = reference.digest ?? reference.tag ?? parseTag("latest");
  const { digest } = (await demandManifest(repository, named, call)).descriptor;
  const subject = { digest, tag: reference.digest === undefined ? parseTag(named) : undefined };
  const predicateType = options.type === undefined ? undefined : parsePredicateType(options.type);
  const asked = { ...trusted, ...call, predicateType };
  const found = await collectAttestations(repository, subject, asked);
  assertAttested(found, { ...asked, repository, subject });
  return {
    name: `${repository.label}${reference.digest === undefined ? ":" : "@"}${named}`,
    digest,
    policy: trusted.policy.origin,
    attestations: found.endorsements.map(({ signer, signedAt, predicateType: type, predicate }) => ({
      signer: signer.type === "key" ? shortFingerprint(signer.fingerprint) : voiceOf(signer),
      signedAt: signedAt?.toISOString(),
      predicateType: type ?? "",
      predicate,
    })),
  };
}
