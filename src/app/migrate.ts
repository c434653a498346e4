import { Failure } from "../base/failure.js";
import { isUrlCache } from "../buildcache/url-cache.js";
import { openContext, type StowageOptions } from "./context.js";
import { openRegistries } from "./registries.js";
import { copyPackages, type SyncResult } from "./sync.js";

export interface MigrateOptions extends StowageOptions {
  /** Write without signatures, which are of the old files. */
  readonly unsigned?: boolean | undefined;
}

/**
 * Writes what a mirror has in layout 2, of Spack before 1.0, in layout 3 beside it. What was there stays as it is.
 * @throws Failure `mirror.not-old`, and what `sync` throws
 */
export async function migrate(mirrorName: string, options: MigrateOptions = {}): Promise<SyncResult> {
  const context = await openContext(options);
  await using registries = openRegistries(context);
  const mirror = await context.mirror(mirrorName);
  const images = await registries.imageSource(mirror);
  if (images !== undefined || (await registries.caches(mirror)).every(isUrlCache))
    throw new Failure("usage", `mirror ${mirror.name} has nothing in layout 2`, {
      code: "mirror.not-old",
      subject: mirror.name,
      hint: "Only mirrors of Spack before 1.0 are migrated: those with a folder build_cache.",
    });
  return await copyPackages(mirror, mirror, {
    ...options,
    updateIndex: true,
    context,
    registries,
    only: (cache) => !isUrlCache(cache),
  });
}
