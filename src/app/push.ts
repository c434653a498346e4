import { statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { Failure } from "../base/failure.js";
import { type IndexResult, packageTags, updateIndex } from "../buildcache/index-update.js";
import type { EntryRequest } from "../buildcache/source.js";
import { type BaseImage, copyLayers, readBaseImage } from "../image/base-image.js";
import { platformOf } from "../image/compose.js";
import { systemClock, systemRandom } from "../io/system/clock.js";
import { createWorkers } from "../io/workers/pool.js";
import { graphOfDatabase, planPush, type Selection } from "../push/plan.js";
import { type PackageName, type PushResult as RunResult, runPush } from "../push/run.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { openContext, type StowageOptions } from "./context.js";
import { configuredInspections } from "./inspections.js";
import { writeDigestFile } from "./digest-file.js";
import { openInstalled } from "./installed.js";
import { createPacker } from "./packer.js";
import { mirrorFilter, pushRoots } from "./push-roots.js";
import { openRegistries } from "./registries.js";

export interface PushOptions extends StowageOptions {
  /** Specs of installed packages: `hdf5+mpi`, `/7i7xbvp`; none: the environment's roots, else all asked for. */
  readonly specs?: readonly string[] | undefined;
  /** Of the environment only the roots in these groups. */
  readonly groups?: readonly string[] | undefined;
  /** An image to make the packages' images run: `debian:12`, `oci:DIR:TAG`. */
  readonly baseImage?: string | undefined;
  /** Renew the index when done, also where nothing was pushed. */
  readonly updateIndex?: boolean | undefined;
  readonly only?: Selection | undefined;
  /** Push what was needed to build, too. */
  readonly withBuildDependencies?: boolean | undefined;
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
  const mirror = await context.mirror(mirrorName);
  const { store, root, locate } = await openInstalled(context, options.sysroot);
  const database = await store.readDatabase(call);
  const { specs, groups } = options;
  const { roots, unknown } = await pushRoots(context, database, { specs, groups, root });
  const graph = graphOfDatabase(database, roots);
  await using registries = openRegistries(context);
  const repository = await registries.mirror(mirror, "push");

  const present = new Set((await packageTags(repository, call)).values());
  const { only, withBuildDependencies, force, failFast } = options;
  const accepts = mirror.push && mirrorFilter(mirror.push, graph);
  const plan = planPush(database, roots, { only, withBuildDependencies, force, present, accepts });
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

  const [first] = plan.packages.filter(({ action }) => action === "push");
  const base =
    options.baseImage === undefined || first === undefined
      ? undefined
      : await openBase(options.baseImage, first.spec);
  if (base !== undefined) await copyLayers(base, repository, { ...call, mountable: false });

  const jobs = context.jobs ?? availableParallelism();
  await using workers = createWorkers({ threads: jobs });
  const result = await runPush(plan, repository, {
    ...call,
    graph,
    storeRoot: root,
    spackPrefix: context.spack,
    packer: createPacker(workers, {
      scratch: join(context.cacheRoot, "push"),
      locate,
      level: options.compressionLevel,
    }),
    base,
    hasDirectory: (prefix, directory) =>
      statSync(locate(join(prefix, directory)), { throwIfNoEntry: false })?.isDirectory() ?? false,
    inspections: await configuredInspections(context),
    prefixOf: (hash) => database.records.get(hash)?.path,
    jobs,
    force,
    failFast,
    created: timeOf(context.env["SOURCE_DATE_EPOCH"]),
  });
  if (options.digestFile !== undefined)
    await writeDigestFile(resolve(context.cwd, options.digestFile), result, { ...call, repository });
  const index = options.updateIndex
    ? await updateIndex(repository, { ...call, clock: systemClock, random: systemRandom })
    : undefined;
  return { mirror: mirror.name, ...result, missing, index };

  async function openBase(text: string, spec: ConcreteSpec): Promise<BaseImage> {
    const image = await registries.image(text);
    return readBaseImage(image.repository, image.reference, { ...call, ...platformOf(spec) });
  }
}

const nameOf = ({ name = "?", version = "?", hash }: EntryRequest): PackageName => ({ name, version, hash });

/** `SOURCE_DATE_EPOCH`: seconds since 1970 (https://reproducible-builds.org/specs/source-date-epoch/). */
function timeOf(seconds: string | undefined): string | undefined {
  if (seconds === undefined || seconds === "") return undefined;
  if (/^\d{1,11}$/.test(seconds)) return new Date(Number(seconds) * 1000).toISOString();
  throw new Failure("usage", `SOURCE_DATE_EPOCH is "${seconds}", not a number of seconds`, {
    code: "push.source-date-epoch",
    subject: "SOURCE_DATE_EPOCH",
  });
}
