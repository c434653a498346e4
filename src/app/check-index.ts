import { resolve } from "node:path";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import type { BuildCache } from "../buildcache/build-cache.js";
import { isUrlCache } from "../buildcache/url-cache.js";
import { connectionOf } from "../config/mirror.js";
import { writeAtomically } from "../io/disk/atomic.js";
import type { DagHash } from "../spec/dag-hash.js";
import { openContext, type StowageOptions } from "./context.js";
import { holdsImages, openRegistries } from "./registries.js";

export interface CheckIndexOptions extends StowageOptions {
  /** Ask for the files of each package, too: several requests for each. */
  readonly blobs?: boolean | undefined;
  /** A view's index instead of that of all packages; else the one that the mirror is configured with. */
  readonly view?: string | undefined;
  /** A file to write what was found to, as Spack's does. */
  readonly output?: string | undefined;
}

export interface CheckedIndex {
  readonly mirror: string;
  readonly exists: boolean;
  /** In the index, and not in the mirror. */
  readonly missing: readonly DagHash[];
  /** In the mirror, and not in the index; none for a view, which is a choice. */
  readonly unindexed: readonly DagHash[];
  /** Packages of which something is gone or damaged; undefined where that was not asked. */
  readonly broken: readonly DagHash[] | undefined;
}

/** Whether the index of a mirror says what is there. @throws Failure `mirror.*`, `buildcache.index-broken` */
export async function checkIndex(mirrorName: string, options: CheckIndexOptions = {}): Promise<CheckedIndex> {
  const context = await openContext(options);
  const call: Call = { signal: context.signal, report: context.report };
  const configured = await context.mirror(mirrorName);
  const fetch = connectionOf(configured, "fetch");
  const view = options.view ?? fetch.view;
  // Whether files are there is asked here; who signed them, by who installs.
  const signed = configured.signed && holdsImages(configured);
  const mirror = { ...configured, signed, fetch: { ...fetch, view } };
  await using registries = openRegistries(context);
  const missing: DagHash[] = [];
  const unindexed: DagHash[] = [];
  const broken: DagHash[] = [];
  let exists = true;
  for (const cache of await registries.caches(mirror)) {
    const there = await cache.packages(call);
    const present = (await cache.index.read(call))?.index.present;
    exists &&= present !== undefined;
    missing.push(...[...(present ?? [])].filter((hash) => !there.has(hash)));
    if (view === undefined)
      unindexed.push(...[...there.keys()].filter((hash) => present?.has(hash) !== true));
    if (options.blobs === true) broken.push(...(await brokenIn(cache, there, call)));
  }
  const result = {
    mirror: mirror.name,
    exists,
    missing,
    unindexed,
    broken: options.blobs === true ? broken : undefined,
  };
  if (options.output !== undefined)
    await writeAtomically(
      resolve(context.cwd, options.output),
      JSON.stringify({ exists, manifests: { missing, unindexed }, blobs: { missing: broken } }),
    );
  return result;
}

/** Packages at once. */
const jobs = 16;

async function brokenIn(
  cache: BuildCache,
  there: ReadonlyMap<DagHash, string>,
  call: Call,
): Promise<readonly DagHash[]> {
  const broken = await mapLimited(there, jobs, async ([hash, name]) => {
    if (isUrlCache(cache)) return (await cache.holds(name, call)) ? undefined : hash;
    try {
      return (await cache.read(name, call)) === undefined ? hash : undefined;
    } catch (error) {
      if (error instanceof Failure && (error.kind === "corrupt" || error.kind === "not-found")) return hash;
      throw error;
    }
  });
  return broken.filter((hash) => hash !== undefined);
}
