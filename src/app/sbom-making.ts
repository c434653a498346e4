import type { Call } from "../base/call.js";
import { mapLimited } from "../base/limit.js";
import type { OciEntry } from "../buildcache/entry.js";
import { baseAnnotations, type BaseImage } from "../image/base-image.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { attachSbom, listSboms } from "../sbom/attached-sbom.js";
import { imageBill, packageBill } from "../sbom/bill.js";
import { type KnownFacts, knownToAny } from "../sbom/facts.js";
import { encodeSbom, type SbomFormat } from "../sbom/sbom.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
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

/** What is known of a package's sources. */
export type FactsReader = (spec: ConcreteSpec) => Promise<KnownFacts>;

/** What all documents are made with. */
export interface SbomTools extends Call {
  readonly format: SbomFormat;
  readonly factsOf: FactsReader;
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
}

/** Attaches its bill to a package's manifest, unless it has one in that format. */
export async function attachPackageSbom(
  repository: Repository,
  { subject, spec, graph }: PackageImage,
  { format, factsOf, created, force = false, ...call }: SbomTools & { readonly force?: boolean | undefined },
): Promise<"attached" | "present"> {
  if (!force && (await listSboms(repository, subject.digest, { ...call, format })).length > 0)
    return "present";
  const facts = await factsOf(spec);
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
  }: Omit<SbomTools, "factsOf"> & {
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
