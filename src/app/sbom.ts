import { resolve } from "node:path";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { decodePackage, readJson } from "../buildcache/entry.js";
import { ociCache } from "../buildcache/oci-cache.js";
import { writeAtomically } from "../io/disk/atomic.js";
import { diskFailure } from "../io/disk/disk-failure.js";
import { demandManifest } from "../oci/copy.js";
import type { Digest } from "../oci/digest.js";
import { decodeImageConfig } from "../oci/image-config.js";
import { decodeImageManifest } from "../oci/manifest.js";
import { isImageManifest } from "../oci/media-types.js";
import { parseTag } from "../oci/reference.js";
import type { Manifest, Repository } from "../oci/repository.js";
import { readSbom } from "../sbom/attached-sbom.js";
import { packageBill } from "../sbom/bill.js";
import { noFacts } from "../sbom/facts.js";
import { encodeSbom, type SbomFormat } from "../sbom/sbom.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import { formatShort } from "../spec/format-concrete.js";
import { type Context, openContext, type StowageOptions } from "./context.js";
import { rootReader } from "./image-making.js";
import { openIndexCopies } from "./index-copies.js";
import { createRootResolver } from "./install-roots.js";
import { holdsImages, openRegistries, type Registries } from "./registries.js";
import { sbomTime } from "./sbom-making.js";

export interface SbomOptions extends StowageOptions {
  /** Look for a spec in this mirror, instead of all that packages are fetched from. */
  readonly mirror?: string | undefined;
  /** `spdx` by default. */
  readonly format?: SbomFormat | undefined;
  /** A file to write it to. */
  readonly output?: string | undefined;
}

export interface SbomResult {
  /** What it is about: `localhost:5000/cache:tools`. */
  readonly name: string;
  /** Digest of the manifest that it is about. */
  readonly digest: Digest;
  readonly format: SbomFormat;
  /** Whether it was attached to the manifest, or made here of the spec, as none was. */
  readonly origin: "attached" | "made";
  /** Digest of the artifact that it was attached as. */
  readonly artifact: Digest | undefined;
  /** The document as it is stored, or would be. */
  readonly text: string;
}

/**
 * The bill of materials of an image, or of a package that a mirror has: the one that is attached to its manifest, else
 * one made of its spec.
 * @param what an image by scheme or domain (`oci://…`, `ghcr.io/me/cache:tools`), else a spec
 * @throws Failure `sbom.missing`, `sbom.subject-differs`, `sbom.invalid`, `spec.no-match`, `mirror.*`, `oci.*`
 */
export async function sbom(what: string, options: SbomOptions = {}): Promise<SbomResult> {
  const context = await openContext(options);
  const result = await find(what, options, context);
  if (result.origin === "made")
    options.report?.({
      type: "note",
      level: "warning",
      message: `${result.name} has no ${result.format} SBOM attached: this one is made of its spec, which tells no sources or licenses`,
    });
  if (options.output === undefined) return result;
  const path = resolve(context.cwd, options.output);
  try {
    await writeAtomically(path, result.text);
  } catch (error) {
    throw diskFailure(error, { doing: "write", path });
  }
  return result;
}

async function find(what: string, options: SbomOptions, context: Context): Promise<SbomResult> {
  const { format = "spdx" } = options;
  const call: Call = { signal: context.signal, report: context.report };
  await using registries = openRegistries(context);
  const { name, manifest, attached, billed } = isImageName(what)
    ? await locateImage(what, registries, call)
    : await locatePackage(what, options, { context, registries });
  const { digest } = manifest.descriptor;
  const stored = await readSbom(attached, { digest, hash: billed?.spec.hash }, { ...call, format });
  if (stored !== undefined)
    return { name, digest, format, origin: "attached", artifact: stored.digest, text: textOf(stored.bytes) };
  if (billed === undefined)
    throw new Failure("not-found", `${name} has no SBOM in ${format}, and does not say what it is made of`, {
      code: "sbom.missing",
      subject: name,
      hint: "`stowage image --sbom` attaches one when it makes an image; `stowage referrers` shows what there is.",
    });
  const bill = packageBill(billed.graph, billed.spec.hash, { facts: noFacts.of, created: sbomTime(context) });
  const text = textOf(encodeSbom(bill, format));
  return { name, digest, format, origin: "made", artifact: undefined, text };
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

/** Names with a scheme, or with a domain before the first slash: no spec looks so. */
const isImageName = (text: string): boolean =>
  /^(?:oci(?:\+http)?:|docker:\/\/|localhost\/|[^/@+~%=^]*[.:][^/@+~%=^]*\/)/.test(text);

interface Located {
  readonly name: string;
  readonly manifest: Manifest;
  /** Where what is attached is read from: it is not signed as images are. */
  readonly attached: Repository;
  /** The package that it is the image of. */
  readonly billed: { readonly spec: ConcreteSpec; readonly graph: SpecGraph } | undefined;
}

async function locateImage(what: string, registries: Registries, call: Call): Promise<Located> {
  const { repository, reference } = await registries.image(what);
  const { repository: attached } = await registries.image(what, { checked: false });
  const named = reference.digest ?? reference.tag ?? parseTag("latest");
  const manifest = await demandManifest(repository, named, call);
  const name = `${repository.label}${reference.digest === undefined ? ":" : "@"}${named}`;
  return { name, manifest, attached, billed: await packageIn(repository, manifest, call) };
}

async function packageIn(repository: Repository, manifest: Manifest, call: Call): Promise<Located["billed"]> {
  if (!isImageManifest(manifest.descriptor.mediaType)) return undefined;
  const subject = `${repository.label}@${manifest.descriptor.digest}`;
  const bytes = await readJson(repository, decodeImageManifest(manifest).config, call);
  const config = decodeImageConfig(bytes, subject);
  return config["spec"] === undefined ? undefined : decodePackage(config, { subject });
}

async function locatePackage(
  text: string,
  { mirror: only }: SbomOptions,
  { context, registries }: { readonly context: Context; readonly registries: Registries },
): Promise<Located> {
  const call: Call = { signal: context.signal, report: context.report };
  const mirrors =
    only === undefined
      ? (await context.mirrors()).filter((mirror) => mirror.binary && holdsImages(mirror))
      : [await context.mirror(only)];
  if (mirrors.length === 0)
    throw new Failure("not-found", "no mirror of images is configured", {
      code: "mirror.none",
      hint: "Run `stowage mirror add NAME oci://…`, or name one with --mirror.",
    });
  let failed: unknown;
  for (const mirror of mirrors)
    try {
      const repository = await registries.repository(mirror, "fetch");
      const copies = openIndexCopies(context);
      const resolver = createRootResolver([ociCache(repository)], { ...call, host: undefined, copies });
      const entry = await rootReader(repository, call)(await resolver.resolve(text));
      const attached = await registries.repository(mirror, "fetch", { checked: false });
      return { name: formatShort(entry.spec), manifest: entry.manifest, attached, billed: entry };
    } catch (error) {
      // Another mirror may have it.
      if (!(error instanceof Failure) || error.kind !== "not-found") throw error;
      failed ??= error;
    }
  throw failed;
}
