import type { Bytes } from "../base/bytes.js";
import type { Digest, DigestAlgorithm } from "../oci/digest.js";
import type { RepositoryName, Tag } from "../oci/reference.js";

/**
 * Where a registry keeps its repositories. What a method has answered is kept if the process ends then. A
 * manifest that was put is kept if the machine does, with all that was pushed before it.
 */
export interface Storage {
  /** Repositories that something was pushed to, sorted by name. */
  repositories(): Promise<readonly RepositoryName[]>;
  /** One repository, whether there is anything in it or not: opening creates nothing. */
  repository(name: RepositoryName): RepositoryStorage;
  /** Removes what is in no repository any more, and was not asked for since `before`. */
  sweep(before: number): Promise<Swept>;
  /** Finishes what is under way. */
  close(): Promise<void>;
}

export interface RepositoryStorage {
  readonly name: RepositoryName;
  /** Whether anything was ever pushed here. */
  exists(): Promise<boolean>;

  /** A blob, or a manifest as one. */
  blob(digest: Digest): Promise<StoredBlob | undefined>;
  /** A blob for someone who will rely on its being there: `sweep` then counts it as new. */
  claim(digest: Digest): Promise<StoredBlob | undefined>;
  /** Takes a blob over from another repository (from any, without `from`); false where it is not there. */
  mount(digest: Digest, from?: RepositoryName): Promise<boolean>;
  /** false where it was not there. */
  deleteBlob(digest: Digest): Promise<boolean>;
  /** All blobs, manifests among them. */
  blobs(): Promise<readonly Digest[]>;

  startUpload(algorithm: DigestAlgorithm): Promise<Upload>;
  upload(id: string): Promise<Upload | undefined>;

  manifest(reference: Tag | Digest): Promise<StoredManifest | undefined>;
  /** Stores a manifest and sets its tags, all or nothing. */
  putManifest(
    manifest: StoredManifest,
    options: { tags: readonly Tag[]; subject?: Digest | undefined },
  ): Promise<void>;
  /**
   * Takes a manifest away with the tags that name it; false where it was not there. Its bytes stay until
   * `sweep`, for they may be a blob of something else, too.
   */
  deleteManifest(digest: Digest): Promise<boolean>;
  deleteTag(tag: Tag): Promise<boolean>;
  manifests(): Promise<readonly Digest[]>;
  /** Sorted as bytes. */
  tags(): Promise<readonly Tag[]>;
  /** Manifests whose subject is `digest`, sorted. */
  referrers(subject: Digest): Promise<readonly Digest[]>;

  /**
   * Removes blobs that are neither in `keep` nor manifests, and uploads: those that nobody pushed, claimed or
   * mounted since `before` (milliseconds since 1970).
   */
  sweep(options: { keep: ReadonlySet<Digest>; before: number }): Promise<Swept>;
}

export interface StoredBlob {
  /** In bytes. */
  readonly size: number;
  /** Bytes `start` up to, and not with, `end`. A chunk is its reader's until the next is asked for. */
  read(range?: { start: number; end: number }): Bytes;
}

/** A manifest with the media type it was pushed as. */
export interface StoredManifest {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** A blob on its way in. It belongs to one request at a time. */
export interface Upload {
  readonly id: string;
  /** Bytes received so far. */
  offset(): Promise<number>;
  /** Appends what arrives, and keeps it where the stream breaks. */
  append(bytes: Bytes): Promise<void>;
  /** Makes it a blob; false where its bytes have another digest. The upload is over either way. */
  commit(digest: Digest): Promise<boolean>;
  cancel(): Promise<void>;
}

export interface Swept {
  readonly blobs: number;
  readonly uploads: number;
  /** Bytes of the blobs and uploads, wherever else they are still linked. */
  readonly bytes: number;
}
