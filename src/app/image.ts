import { availableParallelism } from "node:os";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { OciEntry } from "../buildcache/entry.js";
import { ociCache } from "../buildcache/oci-cache.js";
import { type BuiltImage, writeImage } from "../image/build-image.js";
import { platformOf } from "../image/compose.js";
import { openLayout } from "../io/registry/layout.js";
import { createWorkers } from "../io/workers/pool.js";
import { parsePlatform } from "../oci/manifest.js";
import { parseTag, type Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import type { DagHash } from "../spec/dag-hash.js";
import { openContext, type StowageOptions } from "./context.js";
import { buildOf, type ImageDetails, type ImageMaking, rootReader } from "./image-making.js";
import { parseOutput, writeArchive } from "./image-output.js";
import { openIndexCopies } from "./index-copies.js";
import { createRootResolver } from "./install-roots.js";
import { factsAttached } from "./known-facts.js";
import { openRegistries } from "./registries.js";
import { attachImageSbom, type SbomMaking, sbomTime } from "./sbom-making.js";
import { signingFor, type WriteSigning } from "./signing.js";

export interface ImageOptions extends ImageMaking, ImageDetails, SbomMaking, WriteSigning, StowageOptions {
  /** Packages of the mirror: `hdf5+mpi`, `/7i7xbvp`. */
  readonly specs: readonly string[];
  /** Tag of the image in the mirror, and what it is called in an `output` that does not say. */
  readonly tag?: string | undefined;
  /** `linux/arm64/v8`; the packages' own where it is not given. */
  readonly platform?: string | undefined;
  /** Write it to `oci:DIR[:TAG]` or `docker-archive:FILE` instead of the mirror. */
  readonly output?: string | undefined;
}

export interface ImageResult {
  /** Where it was written: `localhost:5000/cache:tools`, `oci:/tmp/layout:tools`. */
  readonly image: string;
  readonly digest: string;
  readonly base: string | undefined;
  readonly packages: readonly { readonly name: string; readonly version: string; readonly hash: DagHash }[];
  readonly layers: number;
  /** How many layers had to be merged out of others. */
  readonly merged: number;
  /** Bytes of layers that were sent. */
  readonly sent: number;
}

/**
 * Makes one image of packages that a mirror has, and of what they need to run. Layers that are in the mirror are not
 * sent again.
 * @throws Failure `image.*`, `spec.*`, `mirror.*`
 */
export async function image(mirrorName: string, options: ImageOptions): Promise<ImageResult> {
  const context = await openContext(options);
  const call: Call = { signal: context.signal, report: context.report };
  const output = options.output === undefined ? undefined : parseOutput(options.output, context.cwd);
  if (options.sbom === true && output?.type === "archive")
    throw new Failure("usage", "a docker-archive holds one image, and nothing attached to it", {
      code: "image.sbom-unsupported",
      hint: "Write it to the mirror, or to oci:DIR.",
    });
  const tag = imageTag((output?.type === "layout" ? output.tag : undefined) ?? options.tag);
  if (options.specs.length === 0)
    throw new Failure("usage", "an image of no packages", {
      code: "image.nothing-asked",
      hint: "Name the packages it shall have: `stowage image MIRROR SPEC… --tag NAME`.",
    });
  const mirror = await context.mirror(mirrorName);
  // An image need not be signed where packages must be: it is no package, and images have policies of their own.
  const signing =
    output === undefined ? await signingFor({ ...options, unsigned: true }, { mirror, context }) : undefined;
  await using registries = openRegistries(context);
  const direction = output === undefined ? "push" : "fetch";
  const repository = await registries.repository(mirror, direction, { signing });
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const resolver = createRootResolver([ociCache(repository)], {
    ...call,
    host: undefined,
    copies: openIndexCopies(context),
    fits: (spec) => {
      const { os, architecture } = platformOf(spec);
      return platform === undefined || (os === platform.os && architecture === platform.architecture);
    },
  });
  const roots: OciEntry[] = [];
  const read = rootReader(repository, call);
  for (const text of options.specs) roots.push(await read(await resolver.resolve(text)));
  await using workers = createWorkers({ threads: context.jobs ?? availableParallelism() });
  const place = { context, registries, workers };
  await using built = await buildOf(repository, roots, { ...options, ...place, platform, title: tag });
  const done = { ...summaryOf(built.image), base: built.base?.label, packages: roots.map(nameOf) };
  if (output?.type === "archive") {
    const name = `${nameFor(repository)}:${tag}`;
    const sent = await writeArchive(built.image, output.file, { ...call, name });
    return { ...done, image: `docker-archive:${output.file}`, sent };
  }
  const to = output === undefined ? repository : await openLayout(output.directory, { create: true });
  const sent = await writeImage(built.image, to, { ...call, tag });
  if (options.sbom === true) {
    const packages = await registries.repository(mirror, direction, { checked: false });
    await attachImageSbom(to, built, {
      ...call,
      tag,
      format: options.sbomFormat ?? "spdx",
      factsOf: (entry) => factsAttached(packages, entry, call),
      created: sbomTime(context),
    });
  }
  return { ...done, image: `${to.label}:${tag}`, sent };
}

/** What a loaded image is called: as it would be, had it been pulled from the mirror. */
const nameFor = ({ registry, label, name }: Repository): string => (registry === label ? name : label);

/** @throws Failure `image.tag-missing`, `image.tag-taken` */
export function imageTag(text: string | undefined): Tag {
  if (text === undefined)
    throw new Failure("usage", "the image has no name", {
      code: "image.tag-missing",
      hint: "Give it one with --tag NAME.",
    });
  const tag = parseTag(text);
  if (!tag.endsWith(".spack")) return tag;
  throw new Failure("usage", `the tag ${tag} is a package's or the index's`, {
    code: "image.tag-taken",
    subject: tag,
    hint: "Choose a tag that does not end in .spack.",
  });
}

const nameOf = ({ spec: { name, version, hash } }: OciEntry) => ({ name, version, hash });

const summaryOf = ({ manifest, layers }: BuiltImage) => ({
  digest: manifest.descriptor.digest,
  layers: layers.length,
  merged: layers.filter(({ repository }) => repository === undefined).length,
});
