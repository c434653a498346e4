import { availableParallelism } from "node:os";
import type { Call } from "../base/call.js";
import { Failure, type FailureDocument } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { ociCache, packageTags } from "../buildcache/oci-cache.js";
import type { EntryRequest } from "../buildcache/source.js";
import { platformOf } from "../image/compose.js";
import { defaultMaxLayers } from "../image/layer-cap.js";
import { rebasePackages } from "../image/rebase.js";
import { createWorkers } from "../io/workers/pool.js";
import { openContext, type StowageOptions } from "./context.js";
import { type ImageMaking, openBase, population, rootReader } from "./image-making.js";
import { openIndexCopies } from "./index-copies.js";
import { createRootResolver } from "./install-roots.js";
import { createLayerTools } from "./layer-tools.js";
import { openRegistries } from "./registries.js";
import { signingFor, type WriteSigning } from "./signing.js";

export interface RebaseOptions extends ImageMaking, WriteSigning, StowageOptions {
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
  readonly failed: readonly { readonly name: string; readonly failure: FailureDocument }[];
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
  const signing = await signingFor(options, { mirror, context });
  await using registries = openRegistries(context);
  const repository = await registries.repository(mirror, "push", { signing });
  const jobs = context.jobs ?? availableParallelism();
  const wanted: EntryRequest[] = [];
  const resolver = createRootResolver([ociCache(repository)], {
    ...call,
    host: undefined,
    copies: openIndexCopies(context),
  });
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
