import { utf8 } from "../base/bytes.js";
import { type Call, checkInterrupted } from "../base/call.js";
import type { Clock } from "../base/clock.js";
import { Failure } from "../base/failure.js";
import type { Task } from "../base/progress.js";
import type { Layer } from "../buildcache/entry.js";
import type { Entry } from "../buildcache/source.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { subgraph } from "../spec/graph.js";
import { encodeSpecFile } from "../spec/spec-file.js";
import type { Database } from "../store/database.js";
import type { Staging, Store } from "../store/store.js";
import { aliasOf, aliasRecordName } from "./alias.js";
import type { BlobCache } from "./blob-cache.js";
import { defaultPermissions, type FinishJob, type Permissions } from "./finish.js";
import type { Materialized, MaterializeJob } from "./materialize.js";
import type { FileProblem } from "./package-writer.js";
import type { Fetch } from "./plan.js";
import { guessesOf, type Prefixes, prefixesHere } from "./prefixes.js";
import type { Verified } from "./verify.js";

/** What the hot loops are done by: worker threads. */
export interface InstallWorkers {
  materialize(
    job: MaterializeJob & { readonly archive: string; readonly size: number },
    call: Call & { readonly advanced?: ((bytes: number) => void) | undefined },
  ): Promise<Materialized>;
  finish(job: FinishJob, call: Call): Promise<void>;
  verify(prefix: string, call: Call): Promise<Verified>;
}

export interface InstallTools {
  readonly store: Store;
  readonly cache: BlobCache;
  readonly workers: InstallWorkers;
  readonly clock: Clock;
}

export interface InstallOptions extends Call {
  /** Packages under way at once. */
  readonly jobs?: number | undefined;
  /** Who may read and write a package, by its name; else all read, and the owner writes. */
  readonly permissionsOf?: ((name: string) => Permissions) | undefined;
  /** Start nothing new after the first package that fails. */
  readonly failFast?: boolean | undefined;
  /** Refuse a package in which anything could not be relocated, or an old prefix is left. */
  readonly strict?: boolean | undefined;
  /** Names that differ by case only are one on the store's file system. */
  readonly caseInsensitive?: boolean | undefined;
}

export interface InstalledPackage {
  readonly spec: ConcreteSpec;
  readonly prefix: string;
  /** What could not be relocated, and was left. */
  readonly problems: readonly FileProblem[];
  /** Files in which an old prefix is left. */
  readonly leftovers: readonly string[];
  /** Bytes of its files. */
  readonly size: number;
  /** What it was made from and can be pushed as: it is where it was built, so nothing in it was changed. */
  readonly layer?: Layer | undefined;
}

export interface Installing {
  readonly tools: InstallTools;
  readonly options: InstallOptions;
  readonly staging: Staging;
  /** As it was when the package's lock was taken. */
  readonly database: Database;
}

/**
 * Installs one package: it is fetched and unpacked; then, once its dependencies are in place, what is returned
 * finishes it and puts it at its prefix.
 * @throws Failure `store.prefix-exists`, `install.*`, `archive.*`, and what the mirror's stream throws
 */
export async function startPackage(
  one: Fetch,
  installing: Installing,
): Promise<() => Promise<InstalledPackage>> {
  const { tools, options, database } = installing;
  const { store } = tools;
  const { prefix, entry, overwrite } = one;
  if (!overwrite && (await store.isTaken(prefix))) {
    const adopted = await adopt(one, installing);
    return async () => adopted;
  }

  const { graph } = entry;
  const here = prefixesHere(graph, { spec: entry.spec, database, layout: store.layout });
  const aliases = new Map([...here.packages.keys()].map((hash) => [hash, aliasOf(store, hash)]));
  const { made, directory } = await unpack(one, { ...installing, here, aliases });
  if (options.strict === true) refuseLeftovers(made, one);
  refuseProblems(made, { one, here, strict: options.strict ?? false });
  const used = new Map(made.aliased.map((hash) => [aliases.get(hash) ?? "", here.packages.get(hash) ?? ""]));
  return () => endPackage(one, { ...installing, made, directory, used });
}

async function endPackage(
  one: Fetch,
  {
    tools,
    options,
    staging,
    made,
    directory,
    used,
  }: Installing & {
    readonly made: Materialized;
    readonly directory: string;
    /** Alias to where it leads. */
    readonly used: ReadonlyMap<string, string>;
  },
): Promise<InstalledPackage> {
  const { spec, prefix, entry, overwrite } = one;
  checkInterrupted(options);
  for (const [alias, target] of used) await tools.store.provideAlias(alias, target);
  await tools.workers.finish(
    {
      directory,
      prefix,
      written: made.written,
      metadata: metadataOf(encodeSpecFile(subgraph(entry.graph, entry.spec.hash)), used, entry),
      permissions: options.permissionsOf?.(spec.name) ?? defaultPermissions,
    },
    options,
  );
  checkInterrupted(options);
  await staging.publish(directory, prefix, { overwrite });
  const { problems, leftovers, size, moved } = made;
  const { layer: descriptor, diffId } = entry;
  const layer = moved || diffId === undefined ? undefined : { descriptor, diffId };
  return { spec, prefix, problems, leftovers, size, layer };
}

/** Fetches a package and unpacks it in the staging area. */
async function unpack(
  one: Fetch,
  moving: Installing & { readonly here: Prefixes; readonly aliases: ReadonlyMap<string, string> },
): Promise<{ made: Materialized; directory: string }> {
  const { tools, options, staging, here, aliases } = moving;
  const { cache, workers } = tools;
  const { spec, entry } = one;
  const subject = `${spec.name}@${spec.version}/${spec.hash.slice(0, 7)}`;
  const task: Task = { id: spec.hash, verb: "unpack", subject, bytes: entry.layer.size };
  const fetching: Task = { ...task, id: `${spec.hash}-fetch`, verb: "download" };
  const content = { descriptor: entry.layer, open: entry.open };
  const blob = await reported(fetching, options, (advanced) =>
    cache.obtain(content, { ...options, advanced }),
  );
  const directory = staging.newPath();
  const job = {
    subject: `${subject} from ${entry.label}`,
    hash: spec.buildHash ?? spec.hash,
    packageHash: spec.hash,
    digest: blob.cached ? entry.layer.digest : undefined,
    directory,
    here,
    guesses: guessesOf(entry.graph, entry.spec),
    aliases,
    caseInsensitive: options.caseInsensitive ?? false,
    archive: blob.path,
    size: entry.layer.size,
  };
  try {
    const made = await reported(task, options, (advanced) =>
      workers.materialize(job, { ...options, advanced }),
    );
    return { made, directory };
  } catch (error) {
    if (!isDamaged(error)) throw error;
    await cache.forget(content);
    if (!blob.cached) throw error;
  }
  // A blob from an earlier run may have been damaged on this disk: its source is asked once more.
  return await unpack(one, moving);
}

const metadataOf = (
  specFile: string,
  aliases: ReadonlyMap<string, string>,
  { layer: { mediaType, digest, size }, diffId }: Entry,
): ReadonlyMap<string, Uint8Array> =>
  new Map([
    [".spack/spec.json", utf8(specFile)],
    ...(aliases.size === 0
      ? []
      : [
          [
            aliasRecordName,
            utf8(
              JSON.stringify({
                aliases: Object.fromEntries(aliases),
                layer: { mediaType, digest, size, diffId },
              }),
            ),
          ] as const,
        ]),
  ]);

/**
 * A prefix that the database does not know. Where it is whole by its own manifest, a process that ended between
 * the rename and the database's write left it, and it is recorded now.
 */
async function adopt({ spec, prefix }: Fetch, { tools, options }: Installing): Promise<InstalledPackage> {
  const found = await tools.workers.verify(prefix, options);
  if (found.type === "checked" && found.hash === spec.hash && found.deviations.length === 0)
    return { spec, prefix, problems: [], leftovers: [], size: 0 };
  throw new Failure(
    "conflict",
    `${prefix} exists, but the store's database does not know it, and it is not whole`,
    {
      code: "store.prefix-exists",
      subject: prefix,
      hint: "Remove it, or give --overwrite to replace it.",
    },
  );
}

const damage: ReadonlySet<string> = new Set([
  "install.blob-corrupt",
  "archive.gzip-invalid",
  "archive.zstd-invalid",
  "archive.truncated",
  "disk.missing",
]);

const isDamaged = (error: unknown): boolean => error instanceof Failure && damage.has(error.code);

function refuseLeftovers({ leftovers, oldPrefix }: Materialized, { spec }: Fetch): void {
  const [first] = leftovers;
  if (first === undefined) return;
  throw new Failure(
    "unsupported",
    `${spec.name}@${spec.version} still names where it was made (${oldPrefix}) in ${first}${leftovers.length > 1 ? ` and ${leftovers.length - 1} other files` : ""}`,
    {
      code: "install.leftover",
      subject: `${spec.name}/${spec.hash}`,
      hint: "Install it without --strict: most such names are never followed.",
    },
  );
}

/** Strings that name no package but the bare root of the old store have no alias: they are told and left. */
function refuseProblems(
  { problems, oldPrefix }: Materialized,
  { one, here, strict }: { one: Fetch; here: Prefixes; strict: boolean },
): void {
  const hashes = [...here.packages.keys()];
  const bad = strict
    ? problems
    : problems.filter(({ prefix }) => prefix !== undefined && hashes.some((hash) => prefix.includes(hash)));
  const [first] = bad;
  if (first === undefined) return;
  const room = Math.min(...bad.map((problem) => problem.room ?? Number.POSITIVE_INFINITY));
  const longest = room - "/.a/1234567".length;
  throw new Failure(
    "unsupported",
    `${one.spec.name}@${one.spec.version} was made in ${oldPrefix} and cannot be moved to ${one.prefix}: ${first.name} has no room for it (${first.text})${bad.length > 1 ? `, nor have ${bad.length - 1} others` : ""}`,
    {
      code: "install.prefix-too-long",
      subject: one.prefix,
      hint:
        Number.isFinite(longest) && longest > 1 && longest < here.root.length
          ? `Use a store root of at most ${longest} characters.`
          : "Use a shorter store root.",
    },
  );
}

async function reported<T>(
  task: Task,
  { report }: Call,
  work: (advanced: (bytes: number) => void) => Promise<T>,
): Promise<T> {
  report?.({ type: "started", task });
  try {
    const result = await work((bytes) => report?.({ type: "advanced", task, bytes }));
    report?.({ type: "finished", task, outcome: "done" });
    return result;
  } catch (error) {
    if (error instanceof Failure) report?.({ type: "failed", task, failure: error.toJSON() });
    throw error;
  }
}
