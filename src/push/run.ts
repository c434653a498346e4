import { bytesOf } from "../base/bytes.js";
import { type Call, checkInterrupted } from "../base/call.js";
import { Failure, type FailureDocument } from "../base/failure.js";
import { createLimiter, type Limiter } from "../base/limit.js";
import type { Task } from "../base/progress.js";
import { type Layer, readEntry } from "../buildcache/entry.js";
import { packageTag } from "../buildcache/tag.js";
import { contentIn } from "../image/build-image.js";
import { hasBase } from "../image/package-image.js";
import type { Digest } from "../oci/digest.js";
import type { Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { topologicalOrder } from "../spec/graph.js";
import { checksImages, type ImagedPackage, type Imaging, imagePackage } from "./imaging.js";
import type { Packer } from "./packer.js";
import type { Exclusion, PlannedPackage, PushPlan } from "./plan.js";
import { prefixesOf } from "./prefixes.js";

/** A package in results: enough to name it anywhere. */
export interface PackageName {
  readonly name: string;
  readonly version: string;
  readonly hash: DagHash;
}

export interface ExcludedPackage extends PackageName {
  readonly reason: Exclusion;
}

export interface PresentPackage extends PackageName {
  readonly tag: Tag;
}

export interface PushedPackage extends PresentPackage {
  readonly manifest: Digest;
  readonly layer: Digest;
  /** Bytes of the compressed tarball. */
  readonly size: number;
}

export interface FailedPackage extends PackageName {
  readonly failure: FailureDocument;
}

export interface PushResult {
  readonly pushed: readonly PushedPackage[];
  readonly present: readonly PresentPackage[];
  readonly failed: readonly FailedPackage[];
  /** Not installed here, so not pushed. */
  readonly missing: readonly PackageName[];
  /** Not for this mirror. */
  readonly excluded: readonly ExcludedPackage[];
}

export interface PushOptions extends Imaging {
  readonly storeRoot: string;
  /** Where Spack lives, as `binary_distribution` records it; the store root where there is none. */
  readonly spackPrefix?: string | undefined;
  readonly packer: Packer;
  readonly jobs: number;
  readonly force?: boolean | undefined;
  /** Stop at the first package that fails. */
  readonly failFast?: boolean | undefined;
}

const nameOf = ({ name, version, hash }: ConcreteSpec): PackageName => ({ name, version, hash });
const short = (spec: ConcreteSpec): string => `${spec.name}@${spec.version}/${spec.hash.slice(0, 7)}`;

/**
 * Pushes what a plan says, as much of it as can be pushed: each package's layer as soon as there is a free
 * place, its manifest once its own layer and the manifests of its dependencies are up.
 */
export async function runPush(
  plan: PushPlan,
  repository: Repository,
  options: PushOptions,
): Promise<PushResult> {
  const { report, failFast = false } = options;
  const controller = new AbortController();
  const signal =
    options.signal === undefined ? controller.signal : AbortSignal.any([options.signal, controller.signal]);
  const run = new PushRun(plan, repository, { ...options, signal });
  const pushed: PushedPackage[] = [];
  const failed: FailedPackage[] = [];
  const toPush = plan.packages.filter(({ action }) => action === "push");
  report?.({ type: "planned", tasks: toPush.length });
  await Promise.all(
    toPush.map(async (planned) => {
      const task: Task = { id: planned.spec.hash, verb: "upload", subject: short(planned.spec) };
      try {
        pushed.push(await run.push(planned, task));
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (error.kind === "interrupted" && !controller.signal.aborted) throw error;
        // Stopped because another failed, which is told already.
        if (error.kind === "interrupted" || error === controller.signal.reason) return;
        const failure = error.toJSON();
        failed.push({ ...nameOf(planned.spec), failure });
        report?.({ type: "failed", task, failure });
        if (failFast) controller.abort(error);
      }
    }),
  );
  checkInterrupted(options);
  const order = new Map(plan.packages.map(({ spec }, i) => [spec.hash, i]));
  const inOrder = <T extends PackageName>(list: T[]): T[] =>
    list.sort((a, b) => (order.get(a.hash) ?? 0) - (order.get(b.hash) ?? 0));
  return {
    pushed: inOrder(pushed),
    present: plan.packages.flatMap(({ action, spec, tag }) =>
      action === "present" ? [{ ...nameOf(spec), tag }] : [],
    ),
    failed: inOrder(failed),
    missing: plan.missing.map(nameOf),
    excluded: plan.excluded.map(({ spec, reason }) => ({ ...nameOf(spec), reason })),
  };
}

/** One push under way: what was packed, and what is waited for. */
class PushRun {
  readonly #repository: Repository;
  readonly #options: PushOptions;
  readonly #limit: Limiter;
  readonly #planned: ReadonlyMap<DagHash, PlannedPackage>;
  readonly #layers = new Map<DagHash, Promise<Layer | undefined>>();
  readonly #manifests = new Map<DagHash, Promise<Digest>>();

  constructor(plan: PushPlan, repository: Repository, options: PushOptions) {
    this.#repository = repository;
    this.#options = options;
    this.#limit = createLimiter(options.jobs);
    this.#planned = new Map(plan.packages.map((planned) => [planned.spec.hash, planned]));
  }

  async push(planned: PlannedPackage, task: Task): Promise<PushedPackage> {
    const { spec, tag } = planned;
    const layer = await this.#layer(spec, task);
    if (layer === undefined) throw new Error(`no layer for ${tag}, though it is in the plan`);
    const manifest = await this.#manifest(planned);
    this.#options.report?.({ type: "finished", task, outcome: "pushed" });
    return { ...nameOf(spec), tag, manifest, layer: layer.descriptor.digest, size: layer.descriptor.size };
  }

  /** The layer of a package: packed and sent, or the one that the mirror has; undefined where neither can be. */
  #layer(spec: ConcreteSpec, task?: Task): Promise<Layer | undefined> {
    let layer = this.#layers.get(spec.hash);
    if (layer === undefined) {
      const planned = this.#planned.get(spec.hash);
      layer = this.#limit(() =>
        planned?.action === "push" ? this.#packAndSend(planned, task) : this.#storedLayer(spec),
      );
      // Whoever waits for it sees the failure; nobody may be waiting yet.
      layer.catch(() => {});
      this.#layers.set(spec.hash, layer);
    }
    return layer;
  }

  async #storedLayer(spec: ConcreteSpec): Promise<Layer | undefined> {
    return (await readEntry(this.#repository, packageTag(spec), this.#options))?.layers.at(-1);
  }

  async #packAndSend({ spec, prefix }: PlannedPackage, task: Task | undefined): Promise<Layer> {
    const { packer, storeRoot, spackPrefix = storeRoot, graph, prefixOf } = this.#options;
    checkInterrupted(this.#options);
    if (task !== undefined) this.#options.report?.({ type: "started", task });
    const prefixes = prefixesOf(graph, spec, prefixOf);
    const request = { subject: short(spec), prefix, storeRoot, spackPrefix, prefixes };
    const known = await packer.recall(request, this.#options);
    if (known !== undefined) {
      // Made before, and sent: its tag was deleted, or a push ended before it was written.
      const size = await this.#repository.blobs.stat(known.descriptor.digest, this.#options);
      if (size !== undefined) return known;
    }
    await using packed = await packer.pack(request, {
      ...this.#options,
      advanced: (bytes) => task && this.#options.report?.({ type: "advanced", task, bytes }),
    });
    const { descriptor } = packed.content;
    const layer = { descriptor, diffId: packed.diffId };
    // While its bytes are here; later they would have to be fetched again.
    if (checksImages(this.#options))
      await this.#options.tools?.scan({ ...packed.content, ...layer, file: packed.file }, this.#options);
    await this.#repository.blobs.write(packed.content, this.#options);
    return layer;
  }

  #manifest(planned: PlannedPackage): Promise<Digest> {
    const { hash } = planned.spec;
    let manifest = this.#manifests.get(hash);
    if (manifest === undefined) {
      manifest = this.#writeManifest(planned);
      manifest.catch(() => {});
      this.#manifests.set(hash, manifest);
    }
    return manifest;
  }

  async #writeManifest({ spec, tag, prefix }: PlannedPackage): Promise<Digest> {
    const { graph, base, force = false } = this.#options;
    const call: Call = this.#options;
    if (force && base === undefined) await this.#assertNotDegraded(tag);
    const closure = [...topologicalOrder(graph, { roots: [spec.hash], types: ["link", "run"] })]
      .reverse()
      .filter((node) => node.external === undefined);
    const layers: ImagedPackage["layers"][number][] = [];
    for (const node of closure) {
      const dependency = this.#planned.get(node.hash);
      try {
        if (dependency?.action === "push" && node.hash !== spec.hash) await this.#manifest(dependency);
        const layer = await this.#layer(node);
        if (layer !== undefined)
          layers.push({ owner: short(node), hash: node.hash, content: contentIn(this.#repository, layer) });
        else
          call.report?.({
            type: "note",
            level: "warning",
            message: `${tag}: its image lacks ${short(node)}, which is neither installed here nor in the mirror`,
          });
      } catch (cause) {
        if (node.hash === spec.hash || !(cause instanceof Failure)) throw cause;
        throw new Failure(
          cause.kind,
          `${short(spec)} depends on ${short(node)}, which failed: ${cause.message}`,
          {
            code: "push.dependency-failed",
            subject: short(spec),
            hint: cause.hint,
            cause,
          },
        );
      }
    }
    const image = await imagePackage({ spec, prefix, closure, layers }, this.#repository, this.#options);
    await this.#repository.blobs.write({ ...image.config, open: () => bytesOf(image.config.bytes) }, call);
    const { digest } = image.manifest.descriptor;
    const before = force ? undefined : await this.#repository.manifests.stat(tag, call);
    if (before !== undefined && before.digest !== digest)
      throw new Failure(
        "conflict",
        `${this.#repository.label}:${tag} was pushed by somebody else meanwhile`,
        {
          code: "push.tag-differs",
          subject: tag,
          hint: "It is left as it is; replace it with --force.",
        },
      );
    if (before === undefined) await this.#repository.manifests.write(image.manifest, { ...call, tag });
    return digest;
  }

  /** A tag that runs keeps running: without a base image it is not replaced by one that does not. */
  async #assertNotDegraded(tag: Tag): Promise<void> {
    const entry = await readEntry(this.#repository, tag, this.#options).catch((error: unknown) => {
      // What is no readable package may be replaced: that is what --force is for.
      if (error instanceof Failure && (error.kind === "corrupt" || error.kind === "unsupported"))
        return undefined;
      throw error;
    });
    if (entry === undefined || !hasBase(entry)) return;
    throw new Failure("conflict", `${this.#repository.label}:${tag} runs over a base image`, {
      code: "push.would-degrade",
      subject: tag,
      hint: "Push it with --base-image, or delete the tag first.",
    });
  }
}
