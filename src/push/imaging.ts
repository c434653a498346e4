import type { Compressor } from "../archive/compressor.js";
import type { Call } from "../base/call.js";
import {
  type Environment,
  imageEnvironment,
  type PrefixInspections,
  parseEnvironment,
} from "../environment/environment.js";
import type { BaseImage } from "../image/base-image.js";
import { externalsOf } from "../image/closure.js";
import { type ComposedImage, platformOf } from "../image/compose.js";
import { type FittedLayers, fitLayers } from "../image/fit-layers.js";
import { assertRuns, type OwnedLayer } from "../image/image-check.js";
import { defaultMaxLayers } from "../image/layer-cap.js";
import type { LayerTools } from "../image/layer-tools.js";
import { composePackage } from "../image/package-image.js";
import { countDependents } from "../image/popularity.js";
import type { Repository } from "../oci/repository.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { subgraph } from "../spec/graph.js";
import type { RecipeFacts } from "./recipe.js";

/** How the images of installed packages are made. */
export interface Imaging extends Call {
  /** Of the store; its roots are the packages that are pushed for. */
  readonly graph: SpecGraph;
  readonly base?: BaseImage | undefined;
  /** Looks into layers and merges them; without it images may have any number of layers, and are not checked. */
  readonly tools?: LayerTools | undefined;
  /** Most layers of an image, the base's included. */
  readonly maxLayers?: number | undefined;
  /** `false`: write images over a base that would not run, too. */
  readonly check?: boolean | undefined;
  readonly hasDirectory: (prefix: string, directory: string) => boolean;
  readonly inspections?: PrefixInspections | undefined;
  /** Absolute path of a prefix; externals have theirs outside the store. */
  readonly prefixOf: (hash: DagHash) => string | undefined;
  /** What else is to be in a package's environment. */
  readonly loaded?:
    | ((imaged: ImagedPackage) => Promise<(environment: Environment) => Environment>)
    | undefined;
  /** What the recipe in a prefix tells. */
  readonly recipe?: ((prefix: string, name: string) => RecipeFacts) | undefined;
  /** RFC 3339 time for the config, where builds shall tell it (`SOURCE_DATE_EPOCH`). */
  readonly created?: string | undefined;
}

/** A package with all that its image is made of. */
export interface ImagedPackage {
  readonly spec: ConcreteSpec;
  readonly prefix: string;
  /** What it needs to run, dependencies first, itself last. */
  readonly closure: readonly ConcreteSpec[];
  /** Those of the closure that can be had. */
  readonly layers: readonly (OwnedLayer & {
    readonly hash: DagHash;
    readonly compressor?: Compressor | undefined;
  })[];
}

/** Whether layers are looked into: only what has a base is meant to run by itself. */
export const checksImages = ({ base, tools, check = true }: Imaging): boolean =>
  check && base !== undefined && tools !== undefined;

/**
 * Makes the image of one package. Layers that had to be merged for it are written, nothing else.
 * @throws Failure `image.not-runnable`, `image.too-many-layers`
 */
export async function imagePackage(
  imaged: ImagedPackage,
  repository: Repository,
  imaging: Imaging,
): Promise<ComposedImage> {
  const { spec, prefix, closure } = imaged;
  const { graph, base, tools, created, recipe, loaded } = imaging;
  const call: Call = { signal: imaging.signal, report: imaging.report };
  const inspected = environmentOf(spec, closure, imaging);
  const environment = loaded === undefined ? inspected : (await loaded(imaged))(inspected);
  const own = imaged.layers.at(-1);
  if (checksImages(imaging) && tools !== undefined && own !== undefined)
    await assertRuns(`the image of ${own.owner}`, imaged.layers, {
      ...call,
      base,
      tools,
      environment,
      platform: platformOf(spec),
      owners: new Set([own.owner]),
      externals: externalsOf({ ...graph, roots: [spec.hash] }),
    });
  await using fitted = await withinCap(imaged, imaging);
  for (const { content, merged } of fitted.layers) if (merged) await repository.blobs.write(content, call);
  return composePackage(subgraph(graph, spec.hash), {
    base,
    layers: fitted.layers.map(({ content: { descriptor, diffId } }) => ({ descriptor, diffId })),
    compressor: own?.compressor,
    environment,
    created,
    ...recipe?.(prefix, spec.name),
  });
}

/** Merges layers where they are too many; those that most of the store's packages need stay by themselves. */
async function withinCap(
  { layers }: ImagedPackage,
  { graph, base, tools, maxLayers = defaultMaxLayers, signal, report }: Imaging,
): Promise<FittedLayers> {
  const contents = layers.map(({ content }) => content);
  if (tools === undefined)
    return {
      layers: contents.map((content) => ({ content, merged: false })),
      [Symbol.asyncDispose]: async () => undefined,
    };
  return await fitLayers(contents, {
    signal,
    report,
    base,
    tools,
    maxLayers,
    popularity: async () => {
      const count = countDependents({ ...graph, roots: [...graph.nodes.keys()] });
      const hashes = new Map(layers.map(({ content, hash }) => [content.descriptor.digest, hash]));
      return (digest) => count(hashes.get(digest));
    },
  });
}

function environmentOf(
  spec: ConcreteSpec,
  closure: readonly ConcreteSpec[],
  { base, hasDirectory, inspections, prefixOf }: Imaging,
): Environment {
  const runs = new Set<DagHash>([spec.hash]);
  for (const node of closure)
    for (const edge of node.dependencies) if (edge.types.includes("run")) runs.add(edge.hash);
  const packages = closure.flatMap((node) => {
    const prefix = prefixOf(node.hash);
    return prefix === undefined ? [] : [{ prefix, runs: runs.has(node.hash) }];
  });
  const inBase = parseEnvironment(base?.config.config?.Env ?? []);
  return imageEnvironment(packages, inBase, { hasDirectory, inspections });
}
