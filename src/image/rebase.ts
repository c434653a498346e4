import type { Call } from "../base/call.js";
import { Failure, type FailureDocument } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { packageTag } from "../buildcache/tag.js";
import type { Digest } from "../oci/digest.js";
import { decodeImageManifest } from "../oci/manifest.js";
import type { Manifest, Repository } from "../oci/repository.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { type BaseImage, withoutBase } from "./base-image.js";
import { type BuildOptions, buildImage, writeImage } from "./build-image.js";
import { createEntryReader, readClosure } from "./closure.js";
import { packageConfig } from "./package-image.js";

export interface RebasedPackage {
  readonly spec: ConcreteSpec;
  readonly tag: string;
  readonly manifest: Digest;
}

export interface RebaseResult {
  readonly rebased: readonly RebasedPackage[];
  /** Packages whose images have that base already. */
  readonly current: readonly ConcreteSpec[];
  readonly failed: readonly { readonly spec: ConcreteSpec; readonly failure: FailureDocument }[];
}

export interface RebaseOptions
  extends Call,
    Pick<BuildOptions, "maxLayers" | "population" | "tools" | "check"> {
  readonly base: BaseImage;
  readonly jobs: number;
}

/** Whether an image's first layers are those of a base. */
export function isBasedOn(manifest: Manifest, base: BaseImage): boolean {
  const { layers } = decodeImageManifest(manifest);
  return base.layers.every(({ descriptor }, i) => layers[i]?.digest === descriptor.digest);
}

/**
 * Gives packages that a build cache has another base image: new configs and manifests over the layers that are there.
 * What makes an image a package stays as it is. What fails is in the result, and the rest is done all the same.
 */
export async function rebasePackages(
  repository: Repository,
  specs: readonly ConcreteSpec[],
  { base, jobs, ...options }: RebaseOptions,
): Promise<RebaseResult> {
  const call: Call = { signal: options.signal, report: options.report };
  const read = createEntryReader(repository);
  const rebased: RebasedPackage[] = [];
  const current: ConcreteSpec[] = [];
  const failed: { spec: ConcreteSpec; failure: FailureDocument }[] = [];

  const rebase = async (spec: ConcreteSpec): Promise<void> => {
    const tag = packageTag(spec);
    const before = await repository.manifests.read(tag, call);
    if (before !== undefined && isBasedOn(before, base)) {
      current.push(spec);
      return;
    }
    const entry = await read(spec, call);
    if (entry === undefined)
      throw new Failure("not-found", `${repository.label} has no package ${tag}`, {
        code: "image.package-missing",
        subject: tag,
      });
    const closure = await readClosure(repository, [entry], { ...call, read });
    await using image = await buildImage(repository, closure, {
      ...options,
      base,
      config: packageConfig(entry.config),
      annotations: withoutBase(entry.image.annotations ?? {}),
    });
    await writeImage(image, repository, { ...call, tag, replaces: entry.manifest.descriptor.digest });
    rebased.push({ spec, tag, manifest: image.manifest.descriptor.digest });
  };

  await mapLimited(specs, jobs, async (spec) => {
    const task = { id: `rebase ${spec.hash}`, verb: "image", subject: packageTag(spec) } as const;
    call.report?.({ type: "started", task });
    try {
      await rebase(spec);
      call.report?.({ type: "finished", task, outcome: "rebased" });
    } catch (error) {
      if (!(error instanceof Failure) || error.kind === "interrupted") throw error;
      const failure = error.toJSON();
      failed.push({ spec, failure });
      call.report?.({ type: "failed", task, failure });
    }
  });
  return { rebased, current, failed };
}
