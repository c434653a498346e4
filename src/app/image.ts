import { createWriteStream } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { type OciEntry, readEntry } from "../buildcache/entry.js";
import { graphOfIndex } from "../buildcache/index-document.js";
import { packageTags, readIndex } from "../buildcache/index-update.js";
import type { EntryRequest } from "../buildcache/source.js";
import { packageTag } from "../buildcache/tag.js";
import { type BaseImage, readBaseImage } from "../image/base-image.js";
import { type BuiltImage, buildImage, writeImage } from "../image/build-image.js";
import { createEntryReader, readClosure } from "../image/closure.js";
import { type ImageSettings, platformOf } from "../image/compose.js";
import { dockerArchive } from "../image/docker-archive.js";
import { imageVariables } from "../image/image-variables.js";
import { defaultMaxLayers } from "../image/layer-cap.js";
import { rebasePackages } from "../image/rebase.js";
import { temporaryPathOf } from "../io/disk/atomic.js";
import { diskFailure } from "../io/disk/disk-failure.js";
import { openLayout } from "../io/registry/layout.js";
import { createWorkers, type Workers } from "../io/workers/pool.js";
import { decodeImageManifest, parsePlatform } from "../oci/manifest.js";
import { parseTag, type Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import type { SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { type Context, openContext, type StowageOptions } from "./context.js";
import { createRootResolver } from "./install-roots.js";
import { createLayerTools } from "./layer-tools.js";
import { openRegistries, type Registries } from "./registries.js";
import { timeOf } from "./source-date.js";

/** How images are made of packages, whoever asks for them. */
export interface ImageMaking {
  /** An image to build on: `debian:12`, `oci+http://…`, `oci:DIR:TAG`. */
  readonly baseImage?: string | undefined;
  /** Most layers of an image, the base's included; more are merged. */
  readonly maxLayers?: number | undefined;
  /** `false`: write what would not run, too. */
  readonly check?: boolean | undefined;
}

export interface ImageOptions extends ImageMaking, StowageOptions {
  /** Packages of the mirror: `hdf5+mpi`, `/7i7xbvp`. */
  readonly specs: readonly string[];
  /** Tag of the image in the mirror, or what it is called in `output`. */
  readonly tag?: string | undefined;
  /** `linux/arm64/v8`; the packages' own where it is not given. */
  readonly platform?: string | undefined;
  /** Write it to `oci:DIR[:TAG]` or `docker-archive:FILE` instead of the mirror. */
  readonly output?: string | undefined;
  readonly settings?: ImageSettings | undefined;
  /** Variables, set last: `NAME=value`, in which `$NAME` stands for what is there. */
  readonly variables?: readonly string[] | undefined;
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
  const tag = imageTag(options.tag ?? (output?.type === "layout" ? output.tag : undefined));
  if (options.specs.length === 0)
    throw new Failure("usage", "an image of no packages", {
      code: "image.nothing-asked",
      hint: "Name the packages it shall have: `stowage image MIRROR SPEC… --tag NAME`.",
    });
  const mirror = await context.mirror(mirrorName);
  await using registries = openRegistries(context);
  const repository = await registries.mirror(mirror, output === undefined ? "push" : "fetch");
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const resolver = createRootResolver([repository], {
    ...call,
    host: undefined,
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
  switch (output?.type) {
    case undefined:
      return {
        ...done,
        image: `${repository.label}:${tag}`,
        sent: await writeImage(built.image, repository, { ...call, tag }),
      };
    case "layout": {
      const layout = await openLayout(output.directory, { create: true });
      return {
        ...done,
        image: `${layout.label}:${tag}`,
        sent: await writeImage(built.image, layout, { ...call, tag }),
      };
    }
    case "archive": {
      const sent = await writeArchive(built.image, output.file, {
        ...call,
        name: `${nameFor(repository)}:${tag}`,
      });
      return { ...done, image: `docker-archive:${output.file}`, sent };
    }
  }
}

/** What a loaded image is called: as it would be, had it been pulled from the mirror. */
const nameFor = ({ registry, label, name }: Repository): string => (registry === label ? name : label);

interface Built extends AsyncDisposable {
  readonly image: BuiltImage;
  readonly base: BaseImage | undefined;
}

/** Makes an image of roots and what they need; `push --tag` and `image` do the same. */
export async function buildOf(
  repository: Repository,
  roots: readonly OciEntry[],
  options: Omit<ImageOptions, "specs" | "platform" | "output"> & {
    readonly context: Context;
    readonly registries: Registries;
    readonly workers: Workers;
    readonly platform?: ReturnType<typeof parsePlatform> | undefined;
    /** Shown by registries. */
    readonly title: string;
  },
): Promise<Built> {
  const { context, registries, workers, title } = options;
  const call: Call = { signal: context.signal, report: context.report };
  const closure = await readClosure(repository, roots, { ...call, read: createEntryReader(repository) });
  const platform = onePlatform(closure.entries, options.platform);
  const base =
    options.baseImage === undefined
      ? undefined
      : await openBase(options.baseImage, { registries, platform, call });
  const created = timeOf(context.env["SOURCE_DATE_EPOCH"]);
  const [only, ...others] = roots;
  const built = await buildImage(repository, closure, {
    ...call,
    base,
    environment: (environment) => imageVariables(environment, options.variables ?? []),
    settings: options.settings,
    maxLayers: options.maxLayers ?? defaultMaxLayers,
    population: () => population(repository, call),
    tools: createLayerTools(workers, context.cacheRoot),
    check: options.check ?? true,
    config: created === undefined ? undefined : { created },
    annotations: {
      "org.opencontainers.image.title": title,
      ...(only === undefined || others.length > 0
        ? {}
        : { "org.opencontainers.image.version": only.spec.version }),
      ...(created === undefined ? {} : { "org.opencontainers.image.created": created }),
    },
  });
  return { image: built, base, [Symbol.asyncDispose]: () => built[Symbol.asyncDispose]() };
}

export interface RebaseOptions extends ImageMaking, StowageOptions {
  readonly baseImage: string;
  /** Packages of the mirror; none: all. */
  readonly specs?: readonly string[] | undefined;
}

export interface RebaseResult {
  readonly mirror: string;
  readonly base: string;
  readonly rebased: readonly { readonly name: string; readonly tag: string; readonly manifest: string }[];
  /** Packages whose images have that base already. */
  readonly current: number;
  readonly failed: readonly { readonly name: string; readonly failure: ReturnType<Failure["toJSON"]> }[];
}

/**
 * Gives packages that a mirror has a base image, or another one; no layer of theirs is sent again.
 *
 * What fails is in the result, and the rest is done all the same.
 * @throws Failure `mirror.*`, `spec.*`, `image.base-missing` for what stops all of it
 */
export async function rebase(mirrorName: string, options: RebaseOptions): Promise<RebaseResult> {
  const context = await openContext(options);
  const call: Call = { signal: context.signal, report: context.report };
  const mirror = await context.mirror(mirrorName);
  await using registries = openRegistries(context);
  const repository = await registries.mirror(mirror, "push");
  const jobs = context.jobs ?? availableParallelism();
  const wanted: EntryRequest[] = [];
  const resolver = createRootResolver([repository], { ...call, host: undefined });
  for (const text of options.specs ?? []) wanted.push(await resolver.resolve(text));
  if (wanted.length === 0)
    for (const hash of (await packageTags(repository, call)).keys()) wanted.push({ hash });
  const entries = await mapLimited(wanted, jobs, rootReader(repository, call));
  const [first] = entries;
  if (first === undefined)
    throw new Failure("not-found", `${repository.label} has no packages`, {
      code: "image.package-missing",
      subject: repository.label,
    });
  await using workers = createWorkers({ threads: jobs });
  const base = await openBase(options.baseImage, { registries, platform: platformOf(first.spec), call });
  const { rebased, current, failed } = await rebasePackages(
    repository,
    entries.map(({ spec }) => spec),
    {
      ...call,
      base,
      jobs,
      maxLayers: options.maxLayers ?? defaultMaxLayers,
      population: () => population(repository, call),
      tools: createLayerTools(workers, context.cacheRoot),
      check: options.check ?? true,
    },
  );
  return {
    mirror: mirror.name,
    base: base.label,
    rebased: rebased.map(({ spec, tag, manifest }) => ({ name: spec.name, tag, manifest })),
    current: current.length,
    failed: failed.map(({ spec, failure }) => ({ name: spec.name, failure })),
  };
}

/** Opens an image to build on. @throws Failure `image.base-missing`, `image.platform-missing` */
export async function openBase(
  text: string,
  {
    registries,
    platform,
    call,
  }: {
    readonly registries: Registries;
    readonly platform: ReturnType<typeof parsePlatform>;
    readonly call: Call;
  },
): Promise<BaseImage> {
  const { repository, reference } = await registries.image(text);
  return readBaseImage(repository, reference, { ...call, ...platform });
}

/** Reads packages that must be there, by hash alone if need be. @throws Failure `image.package-missing` */
function rootReader(repository: Repository, call: Call): (request: EntryRequest) => Promise<OciEntry> {
  let tags: ReturnType<typeof packageTags> | undefined;
  return async ({ hash, name, version }) => {
    let tag: Tag | undefined;
    if (name !== undefined && version !== undefined) tag = packageTag({ name, version, hash });
    else {
      tags ??= packageTags(repository, call);
      tag = (await tags).get(hash);
    }
    const entry = tag === undefined ? undefined : await readEntry(repository, tag, call);
    if (entry !== undefined) return entry;
    throw new Failure("not-found", `${repository.label} does not have /${hash}`, {
      code: "image.package-missing",
      subject: `/${hash}`,
      hint: "`stowage buildcache list` shows what there is.",
    });
  };
}

/** The mirror's packages, where its index tells them. */
export async function population(repository: Repository, call: Call): Promise<SpecGraph | undefined> {
  const stored = await readIndex(repository, call);
  return stored === undefined ? undefined : graphOfIndex(stored.index, { subject: repository.label });
}

function onePlatform(
  entries: readonly OciEntry[],
  wanted: ReturnType<typeof parsePlatform> | undefined,
): ReturnType<typeof parsePlatform> {
  const [first] = entries;
  if (first === undefined) throw new Error("an image of no packages");
  const platform = wanted ?? platformOf(first.spec);
  for (const { spec } of entries) {
    const { os, architecture } = platformOf(spec);
    if (os !== platform.os || architecture !== platform.architecture)
      throw new Failure("unsupported", `${spec.name}/${spec.hash} is for ${os}/${architecture}`, {
        code: "image.platform-wrong",
        subject: spec.name,
        hint: `The image is for ${platform.os}/${platform.architecture}: choose packages of one platform.`,
      });
  }
  return platform;
}

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

type Output =
  | { readonly type: "layout"; readonly directory: string; readonly tag: string | undefined }
  | { readonly type: "archive"; readonly file: string };

function parseOutput(text: string, cwd: string): Output {
  const layout = /^oci:(?!\/\/)(.+?)(?::([^/:]+))?$/.exec(text);
  if (layout?.[1] !== undefined)
    return { type: "layout", directory: resolve(cwd, layout[1]), tag: layout[2] };
  const file = /^docker-archive:(.+)$/.exec(text)?.[1];
  if (file !== undefined) return { type: "archive", file: resolve(cwd, file) };
  throw new Failure("usage", `cannot write an image to ${text}`, {
    code: "image.output-unknown",
    subject: text,
    hint: "Write oci:DIR[:TAG] or docker-archive:FILE; without --output it goes to the mirror.",
  });
}

/** @returns bytes of layers */
async function writeArchive(
  built: BuiltImage,
  file: string,
  options: Call & { readonly name: string },
): Promise<number> {
  const temporary = temporaryPathOf(file);
  try {
    await mkdir(dirname(file), { recursive: true });
    await pipeline(dockerArchive(built, options), createWriteStream(temporary, { flags: "wx" }));
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskFailure(error, { doing: "write", path: file });
  }
  return built.layers.reduce((sum, { content }) => sum + content.descriptor.size, 0);
}

const nameOf = ({ spec: { name, version, hash } }: OciEntry) => ({ name, version, hash });

const summaryOf = ({ manifest, layers }: BuiltImage) => ({
  digest: manifest.descriptor.digest,
  layers: decodeImageManifest(manifest).layers.length,
  merged: layers.filter(({ repository }) => repository === undefined).length,
});
