import type { Bytes } from "../base/bytes.js";
import type { Call } from "../base/call.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";

/** A package as a mirror offers it: its spec, and the gzipped tar of its prefix. */
export interface Entry {
  /** The mirror it comes from, for messages. */
  readonly label: string;
  readonly spec: ConcreteSpec;
  /** The closure as the package's own metadata tells it; `spec` is among its nodes. */
  readonly graph: SpecGraph;
  /** The prefix that it was made in, where the metadata tells it. */
  readonly madeIn?: string | undefined;
  /** The package's own tarball, as stored. */
  readonly layer: Descriptor;
  /** Digest of the tarball uncompressed, where the metadata tells it. */
  readonly diffId?: Digest | undefined;
  /** The tarball's bytes, verified against `layer` while they are read. */
  open(call?: Call): Bytes;
}

/** What is asked for: a hash, and its name and version where they are known (an OCI tag needs all three). */
export interface EntryRequest {
  readonly hash: DagHash;
  readonly name?: string | undefined;
  readonly version?: string | undefined;
}

/** Something packages can be fetched from: a mirror of any kind. */
export interface PackageSource {
  /** For messages: the mirror's name or URL. */
  readonly label: string;
  /** undefined only where the mirror said that it does not have the package. */
  resolve(request: EntryRequest, call?: Call): Promise<Entry | undefined>;
}
