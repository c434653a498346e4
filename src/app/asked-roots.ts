import { join, resolve } from "node:path";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { BuildCache } from "../buildcache/build-cache.js";
import type { EntryRequest, PackageSource } from "../buildcache/source.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { nodeOf } from "../spec/graph.js";
import type { Host } from "../spec/host.js";
import type { Database } from "../store/database.js";
import { availableOf } from "./available.js";
import type { Context } from "./context.js";
import { environmentRoots, lockedGraph } from "./environment-roots.js";
import { openIndexCopies } from "./index-copies.js";
import { createRootResolver } from "./install-roots.js";

export interface AskedOptions {
  readonly lockfile?: string | undefined;
  readonly groups?: readonly string[] | undefined;
  readonly allowMissing?: boolean | undefined;
  readonly context: Context;
  readonly caches: readonly BuildCache[];
  readonly sources: readonly PackageSource[];
  readonly database: Database;
  readonly host: Host | undefined;
  readonly call: Call;
}

export interface Asked {
  readonly roots: readonly EntryRequest[];
  /** Of the roots those that were asked for; undefined: all. */
  readonly explicit?: ReadonlySet<DagHash> | undefined;
  /** With `allowMissing`: what is there, and no mirror was asked for. */
  readonly present: readonly ConcreteSpec[];
  /** What is known already to be in no mirror. */
  readonly missing: readonly string[];
}

/**
 * What is to be installed: what specs name, and what a lockfile says; without either, what the environment asks for.
 * @throws Failure `install.nothing-asked`, `install.lockfile-missing`, and what resolving throws
 */
export async function askedRoots(specs: readonly string[], options: AskedOptions): Promise<Asked> {
  const { context, lockfile, groups } = options;
  const environment = specs.length === 0 && lockfile === undefined ? context.environment : undefined;
  const file = lockfile ?? (environment && join(environment, "spack.lock"));
  const locked = file === undefined ? undefined : await lockedGraph(resolve(context.cwd, file), groups);
  if (lockfile !== undefined && locked === undefined)
    throw new Failure("not-found", `there is no lockfile ${resolve(context.cwd, lockfile)}`, {
      code: "install.lockfile-missing",
      subject: lockfile,
      hint: "Name a spack.lock; `spack concretize` writes one.",
    });
  const texts =
    environment === undefined || locked !== undefined
      ? specs
      : (await environmentRoots(context, environment, groups)).specs;
  if ((locked?.roots.length ?? 0) + texts.length === 0)
    throw groups === undefined
      ? new Failure("usage", "nothing to install was named", {
          code: "install.nothing-asked",
          hint: "Name specs, or give --lockfile FILE or --env DIR.",
        })
      : new Failure("usage", `no root is in group ${groups.join(", ")}`, {
          code: "install.nothing-asked",
          hint: "Groups are those of the environment's roots in its spack.yaml.",
        });
  const fromLock = locked === undefined ? undefined : await ofLockfile(locked, options);
  const resolved = await ofTexts(texts, options);
  return {
    roots: [...(fromLock?.roots ?? []), ...resolved.roots],
    present: fromLock?.present ?? [],
    explicit: new Set([...(locked?.roots ?? []), ...resolved.roots.map(({ hash }) => hash)]),
    missing: [...(fromLock?.missing ?? []), ...resolved.missing],
  };
}

async function ofLockfile(
  locked: SpecGraph,
  { allowMissing, sources, database, call }: AskedOptions,
): Promise<Asked> {
  if (allowMissing !== true) {
    const roots = locked.roots.map((hash) => nodeOf(locked, hash));
    return { roots: roots.filter(({ external }) => external === undefined), present: [], missing: [] };
  }
  const available = await availableOf(locked, { sources, database }, call);
  return { ...available, missing: available.missing.map(nameOf) };
}

async function ofTexts(texts: readonly string[], options: AskedOptions): Promise<Asked> {
  const { context, caches, host, call, allowMissing = false } = options;
  const resolver = createRootResolver(caches, { ...call, host, copies: openIndexCopies(context) });
  const roots: EntryRequest[] = [];
  const missing: string[] = [];
  for (const text of texts) {
    try {
      roots.push(await resolver.resolve(text));
    } catch (error) {
      if (!allowMissing || !(error instanceof Failure) || !saysMissing.has(error.code)) throw error;
      missing.push(text);
    }
  }
  return { roots, present: [], missing };
}

/** How a resolver says that mirrors do not have what is asked for. */
const saysMissing: ReadonlySet<string> = new Set(["spec.no-match", "buildcache.index-missing"]);

export const nameOf = ({ name, version, hash }: EntryRequest): string =>
  name === undefined || version === undefined ? `/${hash}` : `${name}@${version}/${hash}`;
