import type { Call } from "../base/call.js";
import type { Digest } from "../oci/digest.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import type { BuildcacheIndex } from "./index-document.js";
import type { Entry, PackageSource } from "./source.js";

/** An index as it was found. */
export interface StoredIndex {
  readonly index: BuildcacheIndex;
  /** What tells this state from another: see `IndexStore.state`. */
  readonly state: Digest;
  /** Whether it is stored as no Spack reads it, and so has to be written again. */
  readonly unreadable: boolean;
}

/** The one document that tells what a build cache has. */
export interface IndexStore {
  /** Tells one state of the index from any other; undefined where there is none. */
  state(call?: Call): Promise<Digest | undefined>;
  /** undefined where there is none. @throws Failure `buildcache.index-broken` */
  read(call?: Call): Promise<StoredIndex | undefined>;
  /** Replaces it at once, and tells its new state. */
  write(document: Uint8Array, call?: Call): Promise<Digest>;
}

/** A package of which only the manifest was read: that it is there, and how much there is to read of it. */
export interface FoundPackage {
  /** Bytes of what tells its spec: of two packages the one with more dependencies has more. */
  readonly metadataSize: number;
  /** Its spec, checked; undefined where it has been deleted since. */
  read(call?: Call): Promise<Entry | undefined>;
}

/** Packages with an index: in a registry, a layout on disk, a folder, a web site, a bucket. */
export interface BuildCache extends PackageSource {
  /** What it is, among all build caches: for what is kept of it on this machine. */
  readonly identity: string;
  /** What is there now, by hash, with the name that each has there: a tag, or the path of a file. */
  packages(call?: Call): Promise<ReadonlyMap<DagHash, string>>;
  /** Every name that this package may have there. */
  names(spec: ConcreteSpec): readonly string[];
  /** The package of a name that `packages` told; undefined where it has been deleted since. */
  find(name: string, call?: Call): Promise<FoundPackage | undefined>;
  /** The same, and its spec. */
  read(name: string, call?: Call): Promise<Entry | undefined>;
  readonly index: IndexStore;
}
