import { join, resolve } from "node:path";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { isUrlCache } from "../buildcache/url-cache.js";
import type { Mirror } from "../config/mirror.js";
import { writeAtomically } from "../io/disk/atomic.js";
import { nameOf, type PackageName } from "../push/run.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { formatShort } from "../spec/format-concrete.js";
import { type Context, mirrorsOf, openContext, type StowageOptions } from "./context.js";
import { lockedGraph } from "./environment-roots.js";
import { openInstalled, selectInstalled } from "./installed.js";
import { openRegistries, type Registries } from "./registries.js";

export interface CheckOptions extends StowageOptions {
  /** Only this mirror, instead of all that are configured. */
  readonly mirror?: string | undefined;
  /** A file to write what must be built to, as Spack's does. */
  readonly outputFile?: string | undefined;
}

export interface CheckedMirror {
  readonly mirror: string;
  readonly url: string;
  /** What it does not have, whole. */
  readonly missing: readonly PackageName[];
}

export interface CheckResult {
  readonly packages: number;
  readonly mirrors: readonly CheckedMirror[];
}

/**
 * Whether each mirror has each of the packages: of those installed that specs name, else of the environment's lockfile.
 * @throws Failure `buildcache.nothing-to-check`, `mirror.*`; a mirror that cannot say is a failure, not a mirror without
 */
export async function checkMirrors(
  specs: readonly string[] = [],
  options: CheckOptions = {},
): Promise<CheckResult> {
  const context = await openContext(options);
  const call: Call = { signal: context.signal, report: context.report };
  const wanted = await wantedOf(specs, context);
  const mirrors =
    options.mirror === undefined
      ? (await mirrorsOf(context.configuration, context.variables, { scope: options.scope })).filter(
          ({ binary, fetch }) => binary && fetch !== undefined,
        )
      : [await context.mirror(options.mirror)];
  if (mirrors.length === 0)
    throw new Failure("not-found", "no mirror is configured", {
      code: "mirror.none",
      hint: "Run `stowage mirror add NAME URL`, or name one with --mirror-url.",
    });
  await using registries = openRegistries(context);
  const checked: CheckedMirror[] = [];
  const rebuilds: Record<string, unknown> = {};
  for (const mirror of mirrors) {
    const missing = await missingIn(mirror, wanted, { registries, call });
    const url = mirror.fetch?.url ?? "";
    checked.push({ mirror: mirror.name, url, missing: missing.map(nameOf) });
    if (missing.length > 0)
      rebuilds[url] = {
        mirrorName: mirror.name,
        mirrorUrl: url,
        rebuildSpecs: missing.map((spec) => ({ short_spec: formatShort(spec), hash: spec.hash })),
      };
  }
  if (options.outputFile !== undefined)
    await writeAtomically(resolve(context.cwd, options.outputFile), JSON.stringify(rebuilds));
  return { packages: wanted.length, mirrors: checked };
}

async function wantedOf(specs: readonly string[], context: Context): Promise<readonly ConcreteSpec[]> {
  const { environment } = context;
  if (specs.length > 0) {
    const { store, root } = await openInstalled(context);
    const database = await store.readDatabase(context);
    return selectInstalled(database, specs, { root }).flatMap(
      (hash) => database.records.get(hash)?.spec ?? [],
    );
  }
  const locked = environment === undefined ? undefined : await lockedGraph(join(environment, "spack.lock"));
  if (locked === undefined)
    throw new Failure("usage", "nothing to check was named", {
      code: "buildcache.nothing-to-check",
      hint: "Name installed packages, or an environment that is concretized with --env DIR.",
    });
  return [...locked.nodes.values()].filter(({ external }) => external === undefined);
}

/** What a mirror does not have: files that are not all there count as none. */
async function missingIn(
  mirror: Mirror,
  wanted: readonly ConcreteSpec[],
  { registries, call }: { readonly registries: Registries; readonly call: Call },
): Promise<readonly ConcreteSpec[]> {
  let missing = wanted;
  for (const cache of await registries.caches(mirror)) {
    const there = await cache.packages(call);
    const holds = await mapLimited(missing, 16, async ({ hash }) => {
      const name = there.get(hash);
      return name !== undefined && (!isUrlCache(cache) || (await cache.holds(name, call)));
    });
    missing = missing.filter((_, i) => holds[i] === false);
  }
  return missing;
}
