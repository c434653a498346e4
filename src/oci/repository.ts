import type { Bytes } from "../base/bytes.js";
import type { Call } from "../base/call.js";
import type { Content, Descriptor } from "./descriptor.js";
import type { Digest } from "./digest.js";
import type { RepositoryName, Tag } from "./reference.js";

/** A manifest as received: its bytes are what its digest is of, so they are kept. */
export interface Manifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** Blobs of one repository. */
export interface BlobStore {
  /** The size in bytes of a blob that is there; undefined only where the store said that it is not. */
  stat(digest: Digest, call?: Call): Promise<number | undefined>;
  /**
   * A blob's bytes, verified while they are read: a wrong size or digest fails the stream.
   * @throws Failure `oci.blob-missing`, `oci.blob-corrupt`
   */
  read(descriptor: Descriptor, call?: Call): Bytes;
  /** Stores a blob unless it is there. `from` names a repository of the same registry that has it. */
  write(
    content: Content,
    call?: Call & { readonly from?: RepositoryName },
  ): Promise<"written" | "present" | "mounted">;
  /** @throws Failure `oci.delete-unsupported` where the registry does not delete */
  delete(digest: Digest, call?: Call): Promise<void>;
}

/** Manifests of one repository, by digest or tag. */
export interface ManifestStore {
  /** undefined only where the store said that it is not there. */
  stat(reference: Tag | Digest, call?: Call): Promise<Descriptor | undefined>;
  /** Bytes are verified against the digest asked for, or the one the registry named. */
  read(reference: Tag | Digest, call?: Call): Promise<Manifest | undefined>;
  /** Stores under its digest, and under `tag`. */
  write(manifest: Manifest, call?: Call & { readonly tag?: Tag }): Promise<void>;
  delete(reference: Tag | Digest, call?: Call): Promise<void>;
}

/** One repository of a registry, or of an OCI layout on disk. */
export interface Repository {
  /** For messages: `localhost:5000/cache`, `oci:/tmp/layout`. */
  readonly label: string;
  /** Which registry it is in: `https://ghcr.io`. Repositories of one registry can mount each other's blobs. */
  readonly registry: string;
  readonly name: RepositoryName;
  readonly blobs: BlobStore;
  readonly manifests: ManifestStore;
  /** All tags, in the registry's order; a repository that does not exist yet has none. */
  tags(call?: Call): AsyncIterable<Tag>;
  /** Manifests whose `subject` is `digest` (referrers API, or the tag that stands in for it). */
  referrers(digest: Digest, call?: Call & { readonly artifactType?: string }): Promise<readonly Descriptor[]>;
}

/** Repositories under one roof. A repository comes to be when something is written to it. */
export interface Registry {
  repository(name: RepositoryName): Repository;
}
