import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { BuildCache } from "./build-cache.js";
import type { ObjectStore } from "./object-store.js";
import { type UrlCacheOptions, urlCache } from "./url-cache.js";
import { urlCacheV2 } from "./url-cache-v2.js";
import { folderV2, indexPathV2 } from "./url-layout-v2.js";
import { indexManifestPath, layoutPath } from "./url-layout-v3.js";

/**
 * The build caches in a mirror that is no registry: the one of layout 3 first, then the one of layout 2, of what there
 * is. A mirror that has neither is a new one, of layout 3.
 */
export async function openUrlCaches(
  store: ObjectStore,
  { open, view, ...call }: UrlCacheOptions & Call = {},
): Promise<readonly BuildCache[]> {
  const current = urlCache(store, { open, view });
  const old = urlCacheV2(store, { open });
  const found = (await store.stat(layoutPath, call)) ?? (await store.stat(indexManifestPath(view), call));
  if (found === undefined) return (await hasV2(store, call)) ? [old] : [current];
  try {
    return (await hasV2(store, call)) ? [current, old] : [current];
  } catch (error) {
    // Buckets behind web servers refuse what is not there: then there is nothing of layout 2 to be read either way.
    if (error instanceof Failure && error.kind === "denied") return [current];
    throw error;
  }
}

export async function hasV2(store: ObjectStore, call: Call): Promise<boolean> {
  if ((await store.stat(indexPathV2, call)) !== undefined) return true;
  if (store.list === undefined) return false;
  for await (const _ of store.list(folderV2, call)) return true;
  return false;
}
