import { type Call, checkInterrupted } from "../base/call.js";
import { Failure, type FailureDocument } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { readEntry } from "../buildcache/entry.js";
import { readIndex } from "../buildcache/oci-cache.js";
import { indexTag } from "../buildcache/tag.js";
import { demandManifest } from "../oci/copy.js";
import type { Digest } from "../oci/digest.js";
import { parseTag, type Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import type { TrustPolicy } from "../trust/policy.js";
import { collect } from "../trust/policy-verifier.js";
import { type Signing, signTagged } from "../trust/signing-repository.js";
import { openContext, type StowageOptions } from "./context.js";
import { type NamedPackages, namedPackages } from "./named-packages.js";
import { openRegistries } from "./registries.js";
import { openSigning, type SigningOptions } from "./signing.js";

export interface SignOptions extends NamedPackages, SigningOptions, StowageOptions {
  /** Tags of images. */
  readonly tags?: readonly string[] | undefined;
  /** All packages, and the index where there is one. */
  readonly all?: boolean | undefined;
  /** The index. */
  readonly index?: boolean | undefined;
  /** Sign again what this key has signed. */
  readonly force?: boolean | undefined;
}

export interface SignResult {
  readonly mirror: string;
  readonly signer: string;
  readonly signed: readonly SignedTag[];
  /** What had a signature by this key. */
  readonly present: readonly SignedTag[];
  readonly failed: readonly { readonly tag: string; readonly failure: FailureDocument }[];
}

export interface SignedTag {
  readonly tag: string;
  readonly digest: Digest;
}

/** As many manifests are signed at once: twice what the client asks for at once, as each pauses between its looks. */
const defaultJobs = 32;

/**
 * Signs what a mirror has, by the digests that its tags name now. Whoever signs vouches for it: each package is read
 * first, and must be whole.
 *
 * What fails is in the result, and the rest is signed all the same.
 * @throws Failure `mirror.*`, `key.*`, `sign.nothing-asked` for what stops all of it
 */
export async function sign(mirrorName: string, options: SignOptions): Promise<SignResult> {
  const { specs = [], tags = [], all = false } = options;
  if (specs.length === 0 && tags.length === 0 && !all && options.index !== true)
    throw new Failure("usage", "nothing to sign was named", {
      code: "sign.nothing-asked",
      hint: "Name specs, or give --all, --index or --tag NAME.",
    });
  const context = await openContext(options);
  const call: Call = { signal: context.signal, report: context.report };
  const mirror = await context.mirror(mirrorName);
  const signing = await openSigning(options, { context, mirror });
  await using registries = openRegistries(context);
  const repository = await registries.repository(mirror, "push", { checked: false });
  const packages = await namedPackages(repository, options, context);
  // All may be packages without an index; one that is asked for must be there.
  const withIndex = options.index ?? (all && (await repository.manifests.stat(indexTag, call)) !== undefined);
  const jobs = context.jobs ?? defaultJobs;
  const signed: SignedTag[] = [];
  const present: SignedTag[] = [];
  const failed: { tag: string; failure: FailureDocument }[] = [];
  context.report?.({ type: "planned", tasks: packages.length + tags.length + (withIndex ? 1 : 0) });
  await mapLimited([...packages, ...tags.map(parseTag)], jobs, (tag) => signOne(tag));
  // Last, so that it vouches for nothing that is not signed yet.
  if (withIndex) await signOne(indexTag);
  return { mirror: mirror.name, signer: signing.signer.name, signed, present, failed };

  async function signOne(tag: Tag): Promise<void> {
    checkInterrupted(call);
    const task = { id: tag, verb: "sign", subject: tag } as const;
    call.report?.({ type: "started", task });
    try {
      const { digest, outcome } = await signTag(repository, tag, {
        ...signing,
        ...call,
        force: options.force,
      });
      (outcome === "signed" ? signed : present).push({ tag, digest });
      call.report?.({ type: "finished", task, outcome });
    } catch (error) {
      if (!(error instanceof Failure) || error.kind === "interrupted") throw error;
      const failure = error.toJSON();
      failed.push({ tag, failure });
      call.report?.({ type: "failed", task, failure });
    }
  }
}

async function signTag(
  repository: Repository,
  tag: Tag,
  { force = false, ...signing }: Signing & Call & { readonly force?: boolean | undefined },
): Promise<{ digest: Digest; outcome: "signed" | "present" }> {
  const isPackage = tag.endsWith(".spack") && tag !== indexTag;
  const entry = isPackage ? await readEntry(repository, tag, signing) : undefined;
  // What cannot be read as an index is not signed as one.
  const index = tag === indexTag ? await readIndex(repository, signing) : undefined;
  const { descriptor } = entry?.manifest ?? (await demandManifest(repository, index?.state ?? tag, signing));
  const { digest } = descriptor;
  // An index is signed anew: its counter and its age are what the signature is for.
  if (!force && tag !== indexTag && (await isSigned(repository, { digest, tag }, signing)))
    return { digest, outcome: "present" };
  await signTagged(repository, { subject: descriptor, tag }, signing);
  return { digest, outcome: "signed" };
}

/** Whether this key's signature is there, in each of the formats that are asked for. */
async function isSigned(
  repository: Repository,
  subject: { readonly digest: Digest; readonly tag: Tag },
  { signer, formats, ...call }: Signing & Call,
): Promise<boolean> {
  const key = signer.publicKey;
  if (key === undefined) return false;
  const policy: TrustPolicy = {
    origin: "the signing key",
    authorities: [{ type: "key", key }],
    required: 1,
    signedAs: [],
  };
  const { endorsements } = await collect(repository, subject, {
    policy,
    certificates: undefined,
    signal: call.signal,
    report: call.report,
  });
  return formats.every((format) =>
    endorsements.some(({ form }) => form === (format === "cosign2" ? "payload" : "bundle")),
  );
}
