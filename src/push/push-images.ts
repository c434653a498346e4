import { bytesOf } from "../base/bytes.js";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { createLimiter, type Limiter } from "../base/limit.js";
import type { Task } from "../base/progress.js";
import { type Layer, readEntry } from "../buildcache/entry.js";
import { packageTag } from "../buildcache/tag.js";
import { contentIn } from "../image/build-image.js";
import { hasBase } from "../image/package-image.js";
import type { Digest } from "../oci/digest.js";
import type { Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { topologicalOrder } from "../spec/graph.js";
import { checksImages, type ImagedPackage, type Imaging, imagePackage } from "./imaging.js";
import type { PlannedPackage, PushPlan } from "./plan.js";
import { prefixesOf } from "./prefixes.js";
import { nameOf, type PackagePush, type PushedPackage, short } from "./run.js";
import { type Packing, sendLayer } from "./send-layer.js";

export interface ImagePushOptions extends Imaging, Packing {
  readonly jobs: number;
  readonly force?: boolean | undefined;
  /** The closure of a package as its own metadata tells it; else it is taken from `graph`. */
  readonly graphOf?: ((hash: DagHash) => SpecGraph | undefined) | undefined;
}

/**
 * Pushes packages as images: each package's layer as soon as there is a free place, its manifest once its own layer
 * and the manifests of its dependencies are up.
 */
export function pushImages(plan: PushPlan, repository: Repository, options: ImagePushOptions): PackagePush {
  const run = new ImagePush(plan, repository, options);
  return (planned, task) => run.push(planned, task);
}

/** One push under way: what was packed, and what is waited for. */
class ImagePush {
  readonly #repository: Repository;
  readonly #options: ImagePushOptions;
  readonly #limit: Limiter;
  readonly #planned: ReadonlyMap<DagHash, PlannedPackage>;
  /** What others need. The rest goes first: it is most often the largest, which shall not be what is left in the end. */
  readonly #needed: ReadonlySet<DagHash>;
  readonly #layers = new Map<DagHash, Promise<Layer | undefined>>();
  readonly #manifests = new Map<DagHash, Promise<Digest>>();

  constructor(plan: PushPlan, repository: Repository, options: ImagePushOptions) {
    this.#repository = repository;
    this.#options = options;
    // Twice as many as there are threads: while one package is sent, another is packed.
    this.#limit = createLimiter(options.jobs * 2);
    this.#planned = new Map(plan.packages.map((planned) => [planned.spec.hash, planned]));
    this.#needed = new Set(plan.packages.flatMap(({ spec }) => spec.dependencies.map(({ hash }) => hash)));
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
      layer = this.#limit(
        () => (planned?.action === "push" ? this.#packAndSend(planned, task) : this.#storedLayer(spec)),
        this.#needed.has(spec.hash) ? 0 : 1,
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

  #packAndSend(planned: PlannedPackage, task: Task | undefined): Promise<Layer> {
    const { graph, prefixOf, tools } = this.#options;
    return sendLayer(planned, this.#repository.blobs, {
      ...this.#options,
      task,
      prefixes: prefixesOf(graph, planned.spec, prefixOf),
      // While its bytes are here; later they would have to be fetched again.
      packed: async ({ content, diffId, file }) => {
        if (checksImages(this.#options)) await tools?.scan({ ...content, diffId, file }, this.#options);
      },
    });
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
    const { base, force = false, graphOf } = this.#options;
    const graph = graphOf?.(spec.hash) ?? this.#options.graph;
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
          layers.push({
            owner: short(node),
            hash: node.hash,
            content: contentIn(this.#repository, layer),
            compressor: layer.compressor,
          });
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
    const image = await imagePackage({ spec, prefix, closure, layers }, this.#repository, {
      ...this.#options,
      graph,
    });
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
