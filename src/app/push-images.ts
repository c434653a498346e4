import { statSync } from "node:fs";
import { join } from "node:path";
import { type Compressor, typeOf } from "../archive/compressor.js";
import { Failure } from "../base/failure.js";
import { createLimiter, mapLimited } from "../base/limit.js";
import { type OciEntry, readEntry } from "../buildcache/entry.js";
import { packageTag } from "../buildcache/tag.js";
import type { Environment } from "../environment/environment.js";
import { copyLayers } from "../image/base-image.js";
import { writeImage } from "../image/build-image.js";
import { assertFormat, platformOf } from "../image/compose.js";
import { defaultMaxLayers } from "../image/layer-cap.js";
import { rebasePackages } from "../image/rebase.js";
import type { Workers } from "../io/workers/pool.js";
import { mediaTypes } from "../oci/media-types.js";
import type { Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import type { ImagedPackage } from "../push/imaging.js";
import type { PushPlan } from "../push/plan.js";
import { pushImages } from "../push/push-images.js";
import type { RecipeFacts } from "../push/recipe.js";
import { nameOf, type PackageName, type PushResult, runPush } from "../push/run.js";
import type { Packing } from "../push/send-layer.js";
import { type KnownFacts, noFacts } from "../sbom/facts.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { formatShort } from "../spec/format-concrete.js";
import { nodeOf } from "../spec/graph.js";
import type { Context } from "./context.js";
import { buildOf, type ImageDetails, type ImageMaking, openBase } from "./image-making.js";
import { configuredInspections } from "./inspections.js";
import { createLayerTools } from "./layer-tools.js";
import { factsInPrefix } from "./known-facts.js";
import type { Registries } from "./registries.js";
import { attachImageSbom, attachPackageSboms, type SbomMaking, sbomTime } from "./sbom-making.js";
import { timeOf } from "./source-date.js";
import { demandSpack, spackVariables } from "./spack-load.js";

/** What a push to a registry does besides. */
export interface PushedImages {
  /** Packages that were there, and got the base image. */
  readonly rebased?: readonly PackageName[] | undefined;
  /** Packages that got a bill of materials. */
  readonly sboms?: readonly PackageName[] | undefined;
  /** Of `tag`. */
  readonly image?: { readonly tag: string; readonly digest: string; readonly layers: number } | undefined;
}

export interface PushImagesOptions
  extends Omit<ImageMaking, "tag">,
    Pick<ImageDetails, "environmentFrom">,
    SbomMaking {
  readonly context: Context;
  readonly registries: Registries;
  readonly workers: Workers;
  readonly packing: Packing & {
    readonly graph: SpecGraph;
    readonly prefixOf: (hash: DagHash) => string | undefined;
    readonly jobs: number;
    readonly force: boolean;
  };
  readonly failFast?: boolean | undefined;
  /** What is asked for: one more image is made of it, under `tag`. */
  readonly roots: readonly DagHash[];
  readonly tag: Tag | undefined;
  readonly compressor: Compressor;
  readonly locate: (path: string) => string;
  readonly recipe: (prefix: string, name: string) => RecipeFacts;
}

/** Pushes the packages of a plan as images. */
export async function pushAsImages(
  plan: PushPlan,
  repository: Repository,
  options: PushImagesOptions,
): Promise<PushResult & PushedImages> {
  const { context, registries, workers, packing, failFast, locate, recipe, roots, tag } = options;
  const { graph, jobs } = packing;
  const call = { signal: context.signal, report: context.report };
  if (options.environmentFrom === "spack") demandSpack(context);
  const loading = createLimiter(jobs);
  const [first] = plan.packages;
  const base =
    options.baseImage === undefined || first === undefined
      ? undefined
      : await openBase(options.baseImage, { registries, platform: platformOf(first.spec), call });
  if (typeOf(options.compressor) === "zstd") assertFormat(base, mediaTypes.ociLayerZstd);
  if (base !== undefined) await copyLayers(base, repository, call);

  const tools = createLayerTools(workers, context.cacheRoot);
  const { maxLayers, check } = options;
  const imaging = {
    ...packing,
    base,
    tools,
    maxLayers,
    check,
    hasDirectory: (prefix: string, directory: string) =>
      statSync(locate(join(prefix, directory)), { throwIfNoEntry: false })?.isDirectory() ?? false,
    inspections: await configuredInspections(context),
    loaded: options.environmentFrom === "spack" ? loadedBySpack : undefined,
    recipe,
    created: timeOf(context.env["SOURCE_DATE_EPOCH"]),
  };
  const result = await runPush(plan, (running) => pushImages(plan, repository, { ...imaging, ...running }), {
    ...call,
    failFast,
  });
  // What was there already runs over this base from now on, too; its layers are there.
  const present = plan.packages.filter(({ action }) => action === "present").map(({ spec }) => spec);
  const rebased =
    base === undefined
      ? undefined
      : await rebasePackages(repository, present, {
          ...call,
          base,
          jobs,
          tools,
          maxLayers: maxLayers ?? defaultMaxLayers,
          check: check ?? true,
          population: async () => ({ ...graph, roots: plan.packages.map(({ spec: { hash } }) => hash) }),
        });
  const failed = [
    ...result.failed,
    ...(rebased?.failed ?? []).map(({ spec, failure }) => ({ ...nameOf(spec), failure })),
  ];
  const bills =
    options.sbom === true
      ? { ...call, format: options.sbomFormat ?? "spdx", created: sbomTime(context) }
      : undefined;
  const factsOf = async ({ hash }: { readonly hash: DagHash }): Promise<KnownFacts> => {
    const prefix = packing.prefixOf(hash);
    return prefix === undefined ? noFacts : factsInPrefix(locate(prefix));
  };
  const sboms =
    bills === undefined
      ? undefined
      : await attachPackageSboms(repository, [...result.pushed, ...result.present], {
          ...bills,
          graph,
          jobs,
          factsOf,
        });
  failed.push(...(sboms?.failed ?? []));
  return {
    ...result,
    failed,
    sboms: sboms?.attached,
    rebased: (rebased?.rebased ?? []).map(({ spec }) => nameOf(spec)),
    image: tag === undefined || failed.length > 0 ? undefined : await pushImage(tag),
  };

  /** One Spack at a time for each job: it takes a second, and manifests are made all at once. */
  function loadedBySpack({ spec, closure }: ImagedPackage): Promise<(before: Environment) => Environment> {
    const placed = (node: ConcreteSpec) => ({ spec: node, madeIn: packing.prefixOf(node.hash) });
    return loading(() => spackVariables({ roots: [placed(spec)], entries: closure.map(placed) }, context));
  }

  async function pushImage(name: Tag): Promise<NonNullable<PushedImages["image"]>> {
    const entries = await mapLimited(roots, jobs, (hash) => readRoot(nodeOf(graph, hash)));
    await using made = await buildOf(repository, entries, {
      ...options,
      context,
      registries,
      workers,
      title: name,
    });
    await writeImage(made.image, repository, { ...call, tag: name });
    if (bills !== undefined)
      await attachImageSbom(repository, made, { ...bills, tag: name, factsOf: ({ spec }) => factsOf(spec) });
    const { digest } = made.image.manifest.descriptor;
    return { tag: name, digest, layers: made.image.layers.length };
  }

  async function readRoot(spec: ConcreteSpec): Promise<OciEntry> {
    const entry = await readEntry(repository, packageTag(spec), call);
    if (entry !== undefined) return entry;
    throw new Failure("not-found", `${repository.label} does not have ${formatShort(spec)}`, {
      code: "image.package-missing",
      subject: packageTag(spec),
    });
  }
}
