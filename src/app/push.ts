import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { type IndexResult, updateIndex } from "../buildcache/index-update.js";
import type { EntryRequest } from "../buildcache/source.js";
import type { SignDocument } from "../buildcache/signed-document.js";
import { type UrlCache, zstdInFiles } from "../buildcache/url-cache.js";
import { connectionOf, type Mirror } from "../config/mirror.js";
import { openSigner } from "../io/gpg/signer.js";
import { systemClock, systemRandom } from "../io/system/clock.js";
import { createWorkers } from "../io/workers/pool.js";
import { graphOfDatabase, type PushPlan, planPush, type Selection } from "../push/plan.js";
import { pushFiles } from "../push/push-files.js";
import { nameOf, type PackageName, type PushResult as RunResult, runPush } from "../push/run.js";
import type { Repository } from "../oci/repository.js";
import type { DagHash } from "../spec/dag-hash.js";
import { renewIndex } from "../trust/signing-repository.js";
import { chosenCompressor, type CompressionOptions, warningsOf } from "./compression.js";
import { type Context, openContext, type StowageOptions } from "./context.js";
import { gpgOf } from "./gpg.js";
import { writeDigestFile } from "./digest-file.js";
import { imageTag } from "./image.js";
import type { ImageDetails, ImageMaking } from "./image-making.js";
import { openInstalled } from "./installed.js";
import { createPacker } from "./packer.js";
import { type PushedImages, pushAsImages } from "./push-images.js";
import { exclusions, pushRoots } from "./push-roots.js";
import { recipeIn } from "./recipe.js";
import { holdsImages, openRegistries } from "./registries.js";
import type { SbomMaking } from "./sbom-making.js";
import { signingFor, type WriteSigning } from "./signing.js";

export interface PushOptions
  extends CompressionOptions,
    ImageMaking,
    Pick<ImageDetails, "environmentFrom">,
    SbomMaking,
    WriteSigning,
    StowageOptions {
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
  /** The store's paths are below this directory: a container's file system, a backup. */
  readonly sysroot?: string | undefined;
}

export interface PushResult extends RunResult {
  readonly mirror: string;
  readonly index: IndexResult | undefined;
  /** Packages that were there, and got the base image. */
  readonly rebased: readonly PackageName[];
  /** Packages that got a bill of materials. */
  readonly sboms: readonly PackageName[];
  readonly image: PushedImages["image"];
  /** What of it may surprise. */
  readonly warnings: readonly string[];
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
  const { force = false, failFast } = options;
  const compressor = chosenCompressor(options);
  const tag = options.tag === undefined ? undefined : imageTag(options.tag);
  const mirror = await context.mirror(mirrorName);
  const signing = holdsImages(mirror) ? await signingFor(options, { mirror, context }) : undefined;
  const { store, root, locate } = await openInstalled(context, options.sysroot);
  const database = await store.readDatabase(call);
  const { specs, groups } = options;
  const { roots, unknown } = await pushRoots(context, database, { specs, groups, root });
  const graph = graphOfDatabase(database, roots);
  await using registries = openRegistries(context);
  const destination = await registries.destination(mirror, { signing });
  if (destination.type === "files") assertFiles(mirror, options);
  const sign = destination.type === "files" ? await gpgSigning(mirror, options, context) : undefined;

  const there = await destination.cache.packages(call);
  const { only, withBuildDependencies } = options;
  const recipe = (prefix: string, name: string) => recipeIn(locate(prefix), name);
  const exclusionOf = exclusions({
    filter: connectionOf(mirror, "push"),
    graph,
    recipe: options.private === true ? undefined : recipe,
  });
  const planFor = (present: ReadonlySet<DagHash>): PushPlan =>
    planPush(database, roots, { only, withBuildDependencies, force, present, exclusionOf });
  const jobs = context.jobs ?? availableParallelism();
  const planned = planFor(new Set(there.keys()));
  const plan =
    destination.type === "images"
      ? planned
      : planFor(await wholePackages(planned, { cache: destination.cache, there, jobs, call }));
  const missing = [...plan.missing.map(nameOf), ...unknown.map(requested)];
  if (options.strict && missing.length > 0)
    throw new Failure(
      "not-found",
      `not installed: ${missing.map(({ name, version, hash }) => `${name}@${version}/${hash}`).join(", ")}`,
      {
        code: "push.dependencies-missing",
        hint: "Install them with Spack, or push without --strict.",
      },
    );

  await using workers = createWorkers({ threads: jobs });
  const packing = {
    ...call,
    graph,
    storeRoot: root,
    spackPrefix: context.spack,
    packer: await createPacker(workers, { cacheRoot: context.cacheRoot, locate, compressor, force }),
    prefixOf: (hash: DagHash) => database.records.get(hash)?.path,
    jobs,
    force,
  };
  const result: RunResult & PushedImages =
    destination.type === "images"
      ? await pushAsImages(plan, destination.repository, {
          ...options,
          context,
          registries,
          workers,
          packing,
          roots,
          locate,
          recipe,
          tag,
          compressor,
        })
      : await runPush(plan, (running) => pushFiles(destination.cache, { ...packing, ...running, sign }), {
          ...call,
          failFast,
        });
  const refused =
    destination.type === "images" && signing !== undefined
      ? await refusedPackages(plan, { repository: destination.repository, jobs, call })
      : [];
  if (options.digestFile !== undefined && destination.type === "images")
    await writeDigestFile(resolve(context.cwd, options.digestFile), result, {
      ...call,
      repository: destination.repository,
    });
  const index = options.updateIndex
    ? await updateIndex(destination.cache, { ...call, clock: systemClock, random: systemRandom })
    : undefined;
  if (index?.written === false && index.digest !== undefined && signing !== undefined)
    await renewIndex(await registries.repository(mirror, "push", { checked: false }), index.digest, {
      ...signing,
      ...call,
    });
  const { rebased = [], sboms = [], image } = result;
  return {
    mirror: mirror.name,
    ...result,
    failed: [...result.failed, ...refused],
    missing,
    rebased,
    sboms,
    image,
    index,
    warnings: warningsOf(compressor),
  };
}

const requested = ({ name = "?", version = "?", hash }: EntryRequest): PackageName => ({
  name,
  version,
  hash,
});

/** @throws Failure `push.images-unsupported`, `buildcache.zstd-unsupported` */
function assertFiles(
  { name }: Mirror,
  { compression, baseImage, environmentFrom, tag, digestFile, sbom }: PushOptions,
): void {
  if (compression === "zstd") throw zstdInFiles(name);
  const [option] = [
    ...(baseImage === undefined ? [] : ["--base-image"]),
    ...(environmentFrom === undefined ? [] : ["--env-from"]),
    ...(tag === undefined ? [] : ["--tag"]),
    ...(digestFile === undefined ? [] : ["--digest-file"]),
    ...(sbom === true ? ["--sbom"] : []),
  ];
  if (option !== undefined)
    throw new Failure("unsupported", `mirror ${name} is no registry: it has no images, so no ${option}`, {
      code: "push.images-unsupported",
      subject: name,
      hint: "Images are pushed to oci://… and oci-layout:DIR.",
    });
}

/**
 * What signs the packages of a mirror of files, as Spack decides it: what was said, else what the mirror says.
 * @throws Failure `gpg.no-secret-key`, `gpg.key-ambiguous`, `gpg.key-missing`
 */
export async function gpgSigning(
  mirror: Mirror,
  { sign, unsigned, key }: PushOptions,
  context: Context,
): Promise<SignDocument | undefined> {
  if (key === undefined && !(sign ?? (unsigned !== true && mirror.signed))) return undefined;
  const { signal } = context;
  const signer = await openSigner(gpgOf(context), { key, signal });
  return (document) => signer.sign(document, { subject: `a package of mirror ${mirror.name}`, signal });
}

/** Packages that are there, and that no reader will take: a push that signs says so, and leaves them to --force. */
async function refusedPackages(
  { packages }: PushPlan,
  { repository, jobs, call }: { repository: Repository; jobs: number; call: Call },
): Promise<RunResult["failed"]> {
  const present = packages.filter(({ action }) => action === "present");
  const refused = await mapLimited(present, jobs * 4, async ({ tag, spec }) => {
    try {
      await repository.manifests.stat(tag, call);
      return [];
    } catch (error) {
      if (!(error instanceof Failure) || error.kind !== "corrupt") throw error;
      // Others have yet to sign it.
      return error.code === "trust.too-few" ? [] : [{ ...nameOf(spec), failure: error.toJSON() }];
    }
  });
  return refused.flat();
}

/** Of the packages that a mirror tells of those whose files are all there. */
async function wholePackages(
  { packages }: PushPlan,
  {
    cache,
    there,
    jobs,
    call,
  }: { cache: UrlCache; there: ReadonlyMap<DagHash, string>; jobs: number; call: Call },
): Promise<ReadonlySet<DagHash>> {
  const present = packages.filter(({ action }) => action === "present");
  const whole = await mapLimited(present, jobs * 4, async ({ spec: { hash } }) => {
    const name = there.get(hash);
    return name !== undefined && (await cache.holds(name, call)) ? hash : undefined;
  });
  return new Set(whole.filter((hash) => hash !== undefined));
}
