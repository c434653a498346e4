import type { ConcreteSpec } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";

/** What a store's database says of one package. */
export interface InstallRecord {
  readonly spec: ConcreteSpec;
  /** Absolute path of its prefix; undefined in the index of a build cache. */
  readonly path: string | undefined;
  readonly installed: boolean;
  /** Asked for by someone, not only needed by another package. */
  readonly explicit: boolean;
  /** Records that depend on it over build, link and run edges, or are deprecated for it. */
  readonly refCount: number;
  /** Seconds since 1970. */
  readonly installationTime: number | undefined;
  readonly deprecatedFor: DagHash | undefined;
  /** In the index of a build cache: whether the package itself is there. */
  readonly inBuildcache: boolean | undefined;
  /** The record as it was read, key order kept; undefined for one made here. */
  readonly raw: Readonly<Record<string, unknown>> | undefined;
}

/** `.spack-db/index.json` of a store, or the index of a build cache. */
export interface Database {
  /** "5" to "8". */
  readonly version: string;
  readonly records: ReadonlyMap<DagHash, InstallRecord>;
}
