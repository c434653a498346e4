import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import type { OciEntry } from "../buildcache/entry.js";
import { baseAnnotations, type BaseImage } from "../image/base-image.js";
import { demandManifest } from "../oci/copy.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { attachSbom, listSboms } from "../sbom/attached-sbom.js";
import { imageBill, packageBill } from "../sbom/bill.js";
import { type KnownFacts, knownToAny } from "../sbom/facts.js";
import { encodeSbom, type SbomFormat } from "../sbom/sbom.js";
import { type FailedPackage, nameOf, type PackageName, type PresentPackage } from "../push/run.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import { nodeOf } from "../spec/graph.js";
import { claimedReference } from "../trust/policy-verifier.js";
import type { Context } from "./context.js";
import type { Built } from "./image-making.js";
import { timeOf } from "./source-date.js";

/** How bills of materials are made, whoever asks for them. */
export interface SbomMaking {
  /** Attach one to each manifest. */
  readonly sbom?: boolean | undefined;
  /** `spdx` by default. */
  readonly sbomFormat?: SbomFormat | undefined;
}

/** What all documents are made with. */
export interface SbomTools extends Call {
  readonly format: SbomFormat;
  /** `SOURCE_DATE_EPOCH`, which goes before what documents say. */
  readonly created: string | undefined;
}

/** SPDX and CycloneDX want whole seconds. */
export const sbomTime = ({ env }: Context): string | undefined =>
  timeOf(env["SOURCE_DATE_EPOCH"])?.replace(/\.\d+Z$/, "Z");

export interface PackageImage {
  readonly subject: Descriptor;
  readonly spec: ConcreteSpec;
  readonly graph: SpecGraph;
  /** What is known of where it comes from; asked only where a bill is made. */
  readonly facts: () => Promise<KnownFacts>;
}

/** Attaches its bill to a package's manifest, unless it has one in that format. */
export async function attachPackageSbom(
  repository: Repository,
  { subject, spec, graph, facts: read }: PackageImage,
  { format, created, force = false, ...call }: SbomTools & { readonly force?: boolean | undefined },
): Promise<"attached" | "present"> {
  if (!force && (await listSboms(repository, subject.digest, { ...call, format })).length > 0)
    return "present";
  const facts = await read();
  const time = created ?? facts.created;
  const bill = packageBill(graph, spec.hash, { facts: facts.of, created: time });
  const title = `${spec.name}-${spec.version}-${spec.hash}${extensions[format]}`;
  await attachSbom(repository, subject, {
    ...call,
    format,
    bytes: encodeSbom(bill, format),
    title,
    created: time,
  });
  return "attached";
}

/**
 * Attaches their bills to packages that a push has left in a mirror: also to those that were there, as a push that was
 * cut short may have left them without.
 */
export async function attachPackageSboms(
  repository: Repository,
  packages: readonly PresentPackage[],
  {
    graph,
    jobs,
    factsOf,
    ...tools
  }: SbomTools & {
    readonly graph: SpecGraph;
    readonly jobs: number;
    readonly factsOf: (spec: ConcreteSpec) => Promise<KnownFacts>;
  },
): Promise<{ readonly attached: readonly PackageName[]; readonly failed: readonly FailedPackage[] }> {
  const attached: PackageName[] = [];
  const failed: FailedPackage[] = [];
  await mapLimited(packages, jobs, async ({ hash, tag }) => {
    const spec = nodeOf(graph, hash);
    try {
      const subject = (await demandManifest(repository, tag, tools)).descriptor;
      const image = { subject, spec, graph, facts: () => factsOf(spec) };
      if ((await attachPackageSbom(repository, image, tools)) === "attached") attached.push(nameOf(spec));
    } catch (error) {
      if (!(error instanceof Failure) || error.kind === "interrupted") throw error;
      failed.push({ ...nameOf(spec), failure: error.toJSON() });
    }
  });
  return { attached, failed };
}

/** Documents read at once: each takes some requests. */
const atOnce = 16;

/** Attaches to an image the bill of all that is in it: what its packages' bills say, in one. */
export async function attachImageSbom(
  repository: Repository,
  { image, base, closure }: Pick<Built, "image" | "base" | "closure">,
  {
    tag,
    format,
    factsOf,
    created,
    ...call
  }: SbomTools & {
    readonly tag: Tag;
    readonly factsOf: (entry: OciEntry) => Promise<KnownFacts>;
  },
): Promise<Descriptor> {
  const facts = knownToAny(await mapLimited(closure.entries, atOnce, factsOf));
  const subject = image.manifest.descriptor;
  const billed = {
    repository: claimedReference(repository, undefined),
    tag,
    digest: subject.digest,
    base: base === undefined ? undefined : baseOf(base),
    roots: closure.roots,
  };
  const time = created ?? facts.created;
  const bill = imageBill(closure.graph, billed, { facts: facts.of, created: time });
  const bytes = encodeSbom(bill, format);
  const title = `${tag}${extensions[format]}`;
  return attachSbom(repository, subject, { ...call, format, bytes, title, created: time });
}

function baseOf(base: BaseImage): { readonly name: string; readonly digest: string } {
  const { digest } = base.manifest.descriptor;
  return { name: baseAnnotations(base)["org.opencontainers.image.base.name"] ?? "base image", digest };
}

const extensions: Readonly<Record<SbomFormat, string>> = { spdx: ".spdx.json", cyclonedx: ".cdx.json" };
