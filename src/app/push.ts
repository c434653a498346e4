import { statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { type OciEntry, readEntry } from "../buildcache/entry.js";
import { type IndexResult, packageTags, updateIndex } from "../buildcache/index-update.js";
import type { EntryRequest } from "../buildcache/source.js";
import { packageTag } from "../buildcache/tag.js";
import { connectionOf } from "../config/mirror.js";
import { copyLayers } from "../image/base-image.js";
import { writeImage } from "../image/build-image.js";
import { platformOf } from "../image/compose.js";
import { defaultMaxLayers } from "../image/layer-cap.js";
import { rebasePackages } from "../image/rebase.js";
import { systemClock, systemRandom } from "../io/system/clock.js";
import { createWorkers } from "../io/workers/pool.js";
import type { Tag } from "../oci/reference.js";
import { graphOfDatabase, planPush, type Selection } from "../push/plan.js";
import { type PackageName, type PushResult as RunResult, runPush } from "../push/run.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { formatShort } from "../spec/format-concrete.js";
import { nodeOf } from "../spec/graph.js";
import { openContext, type StowageOptions } from "./context.js";
import { writeDigestFile } from "./digest-file.js";
import { imageTag } from "./image.js";
import { buildOf, type ImageMaking, openBase } from "./image-making.js";
import { configuredInspections } from "./inspections.js";
import { openInstalled } from "./installed.js";
import { createLayerTools } from "./layer-tools.js";
import { createPacker } from "./packer.js";
import { exclusions, pushRoots } from "./push-roots.js";
import { recipeIn } from "./recipe.js";
import { openRegistries } from "./registries.js";
import { timeOf } from "./source-date.js";

export interface PushOptions extends ImageMaking, StowageOptions {
  /** Specs of installed packages: `hdf5+mpi`, `/7i7xbvp`; none: the environment's roots, else all asked for. */
  readonly specs?: readonly string[] | undefined;
  /** Of the environment only the roots in these groups. */
  readonly groups?: readonly string[] | undefined;
  /** Makes one more image of all that is asked for, under this tag. */
  readonly tag?: string | undefined;
  /** Renew the index when done, also where nothing was pushed. */
  readonly updateIndex?: boolean | undefined;
  readonly only?: Selection | undefined;
  /** Push what was needed to build, too. */
  readonly withBuildDependencies?: boolean | undefined;
  /** Push what its recipe forbids to redistribute, too. */
  readonly private?: boolean | undefined;
  /** Replace what is there. */
  readonly force?: boolean | undefined;
  /** Stop at the first package that fails. */
  readonly failFast?: boolean | undefined;
  /** Packages of the closure that are not installed are a failure. */
  readonly strict?: boolean | undefined;
  /** A file to write the digests of manifests to, one line for each package that the mirror has: tag and digest. */
  readonly digestFile?: string | undefined;
  /** Compression level of gzip, 1 to 9. */
  readonly compressionLevel?: number | undefined;
  /** The store's paths are below this directory: a container's file system, a backup. */
  readonly sysroot?: string | undefined;
}

export interface PushResult extends RunResult {
  readonly mirror: string;
  readonly index: IndexResult | undefined;
  /** Packages that were there, and got the base image. */
  readonly rebased: readonly PackageName[];
  /** Of `tag`. */
  readonly image: { readonly tag: string; readonly digest: string; readonly layers: number } | undefined;
}

/**
 * Pushes installed packages and what they need to a mirror.
 *
 * What fails is in the result, and the rest is pushed all the same.
 * @throws Failure `mirror.*`, `store.*`, `spec.*` for what stops all of it
 */
export async function push(mirrorName: string, options: PushOptions = {}): Promise<PushResult> {
  const context = await openContext(options);
  const { signal, report } = context;
  const call = { signal, report };
  const { compressionLevel: level } = options;
  if (level !== undefined && (level < 1 || level > 9))
    throw new Failure("usage", `a compression level of ${level} does not exist`, {
      code: "push.compression-level",
      subject: String(level),
      hint: "Levels go from 1, the fastest, to 9, the smallest.",
    });
  const tag = options.tag === undefined ? undefined : imageTag(options.tag);
  const mirror = await context.mirror(mirrorName);
  const { store, root, locate } = await openInstalled(context, options.sysroot);
  const database = await store.readDatabase(call);
  const { specs, groups } = options;
  const { roots, unknown } = await pushRoots(context, database, { specs, groups, root });
  const graph = graphOfDatabase(database, roots);
  await using registries = openRegistries(context);
  const repository = await registries.mirror(mirror, "push");

  const tags = new Set((await packageTags(repository, call)).values());
  const { only, withBuildDependencies, force, failFast } = options;
  const recipe = (prefix: string, name: string) => recipeIn(locate(prefix), name);
  const exclusionOf = exclusions({
    filter: connectionOf(mirror, "push"),
    graph,
    recipe: options.private === true ? undefined : recipe,
  });
  const plan = planPush(database, roots, { only, withBuildDependencies, force, present: tags, exclusionOf });
  const missing = [...plan.missing, ...unknown].map(nameOf);
  if (options.strict && missing.length > 0)
    throw new Failure(
      "not-found",
      `not installed: ${missing.map(({ name, version, hash }) => `${name}@${version}/${hash}`).join(", ")}`,
      {
        code: "push.dependencies-missing",
        hint: "Install them with Spack, or push without --strict.",
      },
    );

  const [first] = plan.packages;
  const base =
    options.baseImage === undefined || first === undefined
      ? undefined
      : await openBase(options.baseImage, { registries, platform: platformOf(first.spec), call });
  if (base !== undefined) await copyLayers(base, repository, call);

  const jobs = context.jobs ?? availableParallelism();
  await using workers = createWorkers({ threads: jobs });
  const tools = createLayerTools(workers, context.cacheRoot);
  const { maxLayers, check } = options;
  const result = await runPush(plan, repository, {
    ...call,
    graph,
    storeRoot: root,
    spackPrefix: context.spack,
    packer: await createPacker(workers, {
      cacheRoot: context.cacheRoot,
      locate,
      level,
      force,
    }),
    base,
    tools,
    maxLayers,
    check,
    hasDirectory: (prefix, directory) =>
      statSync(locate(join(prefix, directory)), { throwIfNoEntry: false })?.isDirectory() ?? false,
    inspections: await configuredInspections(context),
    prefixOf: (hash) => database.records.get(hash)?.path,
    recipe,
    jobs,
    force,
    failFast,
    created: timeOf(context.env["SOURCE_DATE_EPOCH"]),
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
  const image = tag === undefined || failed.length > 0 ? undefined : await pushImage(tag);
  if (options.digestFile !== undefined)
    await writeDigestFile(resolve(context.cwd, options.digestFile), result, { ...call, repository });
  const index = options.updateIndex
    ? await updateIndex(repository, { ...call, clock: systemClock, random: systemRandom })
    : undefined;
  return {
    mirror: mirror.name,
    ...result,
    failed,
    missing,
    rebased: (rebased?.rebased ?? []).map(({ spec }) => nameOf(spec)),
    image,
    index,
  };

  async function pushImage(tag: Tag): Promise<NonNullable<PushResult["image"]>> {
    const entries = await mapLimited(roots, jobs, (hash) => readRoot(nodeOf(graph, hash)));
    await using made = await buildOf(repository, entries, {
      ...options,
      context,
      registries,
      workers,
      title: tag,
    });
    await writeImage(made.image, repository, { ...call, tag });
    const { digest } = made.image.manifest.descriptor;
    return { tag, digest, layers: made.image.layers.length };
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

const nameOf = ({ name = "?", version = "?", hash }: EntryRequest): PackageName => ({ name, version, hash });
