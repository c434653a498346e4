import type { Compressor } from "../archive/compressor.js";
import type { Call } from "../base/call.js";
import type { Layer } from "../buildcache/entry.js";
import type { Content } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import type { DagHash } from "../spec/dag-hash.js";

/** What the tarball of one prefix is made from. */
export interface PackRequest {
  readonly hash: DagHash;
  /** For progress and messages: `greet@2.1.0/fnjwovn`. */
  readonly subject: string;
  readonly prefix: string;
  /** Root of the store, as `binary_distribution` records it. */
  readonly storeRoot: string;
  /** Where Spack itself lives; the store root where there is none. */
  readonly spackPrefix: string;
  /** Prefixes that the package may refer to, its own first, in the order that `binary_distribution` lists them. */
  readonly prefixes: readonly (readonly [DagHash, string])[];
}

/** A compressed tarball, ready to be sent (again, if need be); disposing it frees what holds it. */
export interface PackedLayer extends AsyncDisposable {
  readonly content: Content;
  readonly diffId: Digest;
  readonly compressor?: Compressor | undefined;
  /** Its file on this machine, where it has one. */
  readonly file?: string | undefined;
}

/** Makes layers from prefixes. */
export interface Packer {
  /**
   * The layer that was made of a prefix as it is now, or that the package was installed from where it can be made of
   * nothing else; undefined where none is known.
   */
  recall(request: PackRequest, call?: Call): Promise<Layer | undefined>;
  /** @throws Failure `push.aliased` where a package cannot be packed again, and what packing throws */
  pack(
    request: PackRequest,
    call?: Call & { readonly advanced?: ((bytes: number) => void) | undefined },
  ): Promise<PackedLayer>;
}
