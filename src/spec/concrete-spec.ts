import type { DagHash } from "./dag-hash.js";

export type DependencyType = "build" | "link" | "run" | "test";

/** An edge of a concrete spec, to a node of the same graph. */
export interface Dependency {
  readonly name: string;
  readonly hash: DagHash;
  readonly types: readonly DependencyType[];
  readonly virtuals: readonly string[];
  readonly direct: boolean;
}

/** One node of a concrete spec, whatever format it was read from. */
export interface ConcreteSpec {
  readonly name: string;
  /** As written: `1.2.13`, `git.main=1.3`. */
  readonly version: string;
  readonly hash: DagHash;
  readonly namespace: string | undefined;
  readonly platform: string;
  readonly os: string;
  /** Name of the microarchitecture: `x86_64_v3`. */
  readonly target: string;
  /** The compiler of formats before 5, or of `annotations.compiler`. */
  readonly compiler: { readonly name: string; readonly version: string } | undefined;
  /** What `formatCompilers` tells, where it is kept beside the spec, whose edges need not be read then. */
  readonly compilers?: string | undefined;
  /** Variants and flags, as written. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Where the package came from outside Spack. */
  readonly external: { readonly path: string | undefined } | undefined;
  readonly dependencies: readonly Dependency[];
  /** Hash of the spec it was built as, where it was spliced. */
  readonly buildHash: DagHash | undefined;
  /** The node as it was read, key order kept: written back without loss, and what the hash is of. */
  readonly node: Readonly<Record<string, unknown>>;
}

/** A concrete spec with what it depends on. */
export interface SpecGraph {
  readonly roots: readonly DagHash[];
  readonly nodes: ReadonlyMap<DagHash, ConcreteSpec>;
  /** `_meta.version` of the file it was read from (2-5). */
  readonly format: number;
}
