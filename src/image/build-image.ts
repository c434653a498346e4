import { bytesOf } from "../base/bytes.js";
import type { Call } from "../base/call.js";
import type { JsonObject } from "../base/decode.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import type { Layer, OciEntry } from "../buildcache/entry.js";
import { type Environment, parseEnvironment } from "../environment/environment.js";
import type { Content } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import type { Tag } from "../oci/reference.js";
import type { Manifest, Repository } from "../oci/repository.js";
import type { SpecGraph } from "../spec/concrete-spec.js";
import { formatShort } from "../spec/format-concrete.js";
import { assertPlatform, type BaseImage, baseAnnotations, contentsOf } from "./base-image.js";
import { type Closure, externalsOf } from "./closure.js";
import { composeImage, type ImageSettings, platformOf } from "./compose.js";
import { entryEnvironment } from "./entry-environment.js";
import { fitLayers } from "./fit-layers.js";
import { assertRuns, type OwnedLayer } from "./image-check.js";
import type { LayerContent, LayerTools } from "./layer-tools.js";
import { countDependents } from "./popularity.js";

export interface BuildOptions extends Call {
  readonly base?: BaseImage | undefined;
  /** Changes what packages and base say. */
  readonly environment?: ((environment: Environment) => Environment) | undefined;
  readonly settings?: ImageSettings | undefined;
  /** Base's layers included. */
  readonly maxLayers: number;
  /** The packages of the build cache, from which it is told how many need a layer; asked only past the cap. */
  readonly population: () => Promise<SpecGraph | undefined>;
  readonly tools: LayerTools;
  /** Refuse what would not run. */
  readonly check: boolean;
  /** More keys of the config, beside OCI's. */
  readonly config?: JsonObject | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** An image that is ready to be written. */
export interface BuiltImage extends AsyncDisposable {
  readonly manifest: Manifest;
  readonly config: Content;
  /** Lowest first, where they can be had. */
  readonly layers: readonly BuiltLayer[];
}

export interface BuiltLayer {
  readonly content: Content;
  /** Where it is stored already; nowhere: a merged one. */
  readonly repository?: Repository | undefined;
}

/**
 * Makes an image of packages that a build cache has. Nothing is written.
 * @throws Failure `image.not-runnable`, `image.platform-wrong`, `image.too-many-layers`
 */
export async function buildImage(
  repository: Repository,
  closure: Closure,
  options: BuildOptions,
): Promise<BuiltImage> {
  const { base, tools, maxLayers, population, check, environment: change = (same) => same } = options;
  const call: Call = { signal: options.signal, report: options.report };
  const last = closure.entries.at(-1);
  if (last === undefined) throw new Error("an image of no packages");
  const platform = platformOf(last.spec);
  if (base !== undefined) assertPlatform(base, platform);
  const environment = change(
    entryEnvironment(closure.entries, {
      roots: closure.roots,
      base: parseEnvironment(base?.config.config?.Env ?? []),
    }),
  );
  const subject = closure.entries
    .filter(({ spec }) => closure.roots.includes(spec.hash))
    .map(({ spec }) => formatShort(spec))
    .join(" ");
  const own = closure.entries.map((entry) => packageLayer(repository, entry));
  if (check)
    await assertRuns(subject, own, {
      ...call,
      base,
      tools,
      platform,
      environment,
      externals: externalsOf(closure.graph),
    });

  const fitted = await fitLayers(
    own.map(({ content }) => content),
    {
      ...call,
      base,
      maxLayers,
      tools,
      popularity: async () => {
        const count = countDependents((await population()) ?? closure.graph);
        const hashes = new Map(closure.entries.map(({ layer, spec }) => [layer.digest, spec.hash]));
        return (digest) => count(hashes.get(digest));
      },
    },
  );
  try {
    const { manifest, config } = composeImage({
      base,
      layers: fitted.layers.map(({ content }) => layerOf(content)),
      platform,
      environment,
      config: options.config,
      annotations: { ...options.annotations, ...(base === undefined ? {} : baseAnnotations(base)) },
      settings: options.settings,
    });
    const inBase = base === undefined ? [] : contentsOf(base);
    return {
      manifest,
      config: { descriptor: config.descriptor, open: () => bytesOf(config.bytes) },
      layers: [
        ...inBase.map((content) => ({ content, repository: base?.repository })),
        ...fitted.layers.map(({ content, merged }) => ({
          content,
          repository: merged ? undefined : repository,
        })),
      ],
      [Symbol.asyncDispose]: () => fitted[Symbol.asyncDispose](),
    };
  } catch (error) {
    await fitted[Symbol.asyncDispose]();
    throw error;
  }
}

/** A package's own layer, the last of its image. */
export function packageLayer(repository: Repository, { spec, layer, layers }: OciEntry): OwnedLayer {
  const diffId = layers.at(-1)?.diffId;
  if (diffId === undefined) throw new Error("an entry has its own layer");
  return { owner: formatShort(spec), content: contentIn(repository, { descriptor: layer, diffId }) };
}

export const contentIn = (repository: Repository, { descriptor, diffId }: Layer): LayerContent => ({
  descriptor,
  diffId,
  open: (call) => repository.blobs.read(descriptor, call),
});

const layerOf = ({ descriptor, diffId }: LayerContent): Layer => ({ descriptor, diffId });

export interface WriteImageOptions extends Call {
  readonly tag: Tag;
  /** What the tag names now: another manifest there is left alone. */
  readonly replaces?: Digest | undefined;
}

/**
 * Writes an image: layers that are not there yet, mounted where they can be, then config and manifest.
 * @returns how many bytes of layers had to be sent
 * @throws Failure `image.tag-changed`
 */
export async function writeImage(
  image: BuiltImage,
  to: Repository,
  { tag, replaces, ...call }: WriteImageOptions,
): Promise<number> {
  let sent = 0;
  await mapLimited(image.layers, 4, async ({ content, repository }) => {
    if (repository === to) return;
    const from = repository?.registry === to.registry ? { from: repository.name } : {};
    if ((await to.blobs.write(content, { ...call, ...from })) === "written") sent += content.descriptor.size;
  });
  await to.blobs.write(image.config, call);
  if (replaces !== undefined && (await to.manifests.stat(tag, call))?.digest !== replaces)
    throw new Failure("conflict", `${to.label}:${tag} was changed by somebody else meanwhile`, {
      code: "image.tag-changed",
      subject: `${to.label}:${tag}`,
      hint: "Run it again.",
    });
  await to.manifests.write(image.manifest, { ...call, tag });
  return sent;
}
