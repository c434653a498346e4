import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { type OciEntry, readEntry } from "../buildcache/entry.js";
import { graphOfIndex } from "../buildcache/index-document.js";
import { packageTags, readIndex } from "../buildcache/oci-cache.js";
import type { EntryRequest } from "../buildcache/source.js";
import { packageTag } from "../buildcache/tag.js";
import type { Environment } from "../environment/environment.js";
import { type BaseImage, readBaseImage } from "../image/base-image.js";
import { type BuiltImage, buildImage } from "../image/build-image.js";
import { type Closure, createEntryReader, readClosure } from "../image/closure.js";
import { type ImageSettings, platformOf } from "../image/compose.js";
import { imageVariables } from "../image/image-variables.js";
import { defaultMaxLayers } from "../image/layer-cap.js";
import type { Workers } from "../io/workers/pool.js";
import type { Platform } from "../oci/descriptor.js";
import type { Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import type { SpecGraph } from "../spec/concrete-spec.js";
import type { Context } from "./context.js";
import { createLayerTools } from "./layer-tools.js";
import type { Registries } from "./registries.js";
import { timeOf } from "./source-date.js";
import { spackVariables } from "./spack-load.js";

/** How images are made of packages, whoever asks for them. */
export interface ImageMaking {
  /** An image to build on: `debian:12`, `oci+http://…`, `oci:DIR:TAG`. */
  readonly baseImage?: string | undefined;
  /** Most layers of an image, the base's included; more are merged. */
  readonly maxLayers?: number | undefined;
  /** `false`: write what would not run, too. */
  readonly check?: boolean | undefined;
}

type WantedPlatform = Pick<Platform, "os" | "architecture" | "variant">;

/** Opens an image to build on. @throws Failure `image.base-missing`, `image.platform-missing` */
export async function openBase(
  text: string,
  {
    registries,
    platform,
    call,
  }: {
    readonly registries: Registries;
    readonly platform: WantedPlatform;
    readonly call: Call;
  },
): Promise<BaseImage> {
  const { repository, reference } = await registries.image(text);
  return readBaseImage(repository, reference, { ...call, ...platform });
}

/** Reads packages that must be there, by hash alone if need be. @throws Failure `image.package-missing` */
export function rootReader(repository: Repository, call: Call): (request: EntryRequest) => Promise<OciEntry> {
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

/** The platform of packages, which must be the same for all. */
function onePlatform(entries: readonly OciEntry[], wanted: WantedPlatform | undefined): WantedPlatform {
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

/** What an image has beside its packages. */
export interface ImageDetails {
  readonly settings?: ImageSettings | undefined;
  /** `spack`: what the recipes set, as the Spack of this machine says; before `variables`. */
  readonly environmentFrom?: "spack" | undefined;
  /** Variables, set last: `NAME=value`, in which `$NAME` stands for what is there. */
  readonly variables?: readonly string[] | undefined;
}

/** What images are made with. */
export interface ImagePlace {
  readonly context: Context;
  readonly registries: Registries;
  readonly workers: Workers;
}

interface BuildOptions extends ImageMaking, ImageDetails {
  readonly platform?: WantedPlatform | undefined;
  /** Shown by registries. */
  readonly title: string;
}

export interface Built extends AsyncDisposable {
  readonly image: BuiltImage;
  readonly base: BaseImage | undefined;
  /** The packages that are in it. */
  readonly closure: Closure;
}

/** Makes an image of roots and what they need; `push --tag` and `image` do the same. */
export async function buildOf(
  repository: Repository,
  roots: readonly OciEntry[],
  { context, registries, workers, title, ...options }: BuildOptions & ImagePlace,
): Promise<Built> {
  const call: Call = { signal: context.signal, report: context.report };
  const closure = await readClosure(repository, roots, { ...call, read: createEntryReader(repository) });
  const platform = onePlatform(closure.entries, options.platform);
  const base =
    options.baseImage === undefined
      ? undefined
      : await openBase(options.baseImage, { registries, platform, call });
  const created = timeOf(context.env["SOURCE_DATE_EPOCH"]);
  const withSpack =
    options.environmentFrom === "spack"
      ? await spackVariables({ roots, entries: closure.entries }, context)
      : (environment: Environment) => environment;
  const [only, ...others] = roots;
  const built = await buildImage(repository, closure, {
    ...call,
    base,
    environment: (environment) => imageVariables(withSpack(environment), options.variables ?? []),
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
  return { image: built, base, closure, [Symbol.asyncDispose]: () => built[Symbol.asyncDispose]() };
}
