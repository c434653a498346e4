import { type Digest, isDigest } from "../oci/digest.js";
import type { Tag } from "../oci/reference.js";

/** What a repository knows of a manifest without opening it. */
export interface ManifestEntry {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly subject?: Digest | undefined;
}

/**
 * A change to a repository's manifests and tags. Doing a sequence of them again on its own result changes
 * nothing, so that a journal may be replayed over an index that already has part of it.
 */
export type Change =
  | { readonly type: "put"; readonly manifest: ManifestEntry; readonly tags: readonly Tag[] }
  | { readonly type: "delete"; readonly digest: Digest }
  | { readonly type: "untag"; readonly tag: Tag };

/** Which manifests and tags a repository has: the part both storages keep in memory. */
export interface Contents {
  readonly manifests: ReadonlyMap<Digest, ManifestEntry>;
  readonly tags: ReadonlyMap<Tag, Digest>;
  find(reference: Tag | Digest): ManifestEntry | undefined;
  sortedTags(): readonly Tag[];
  referrers(subject: Digest): readonly Digest[];
  apply(change: Change): void;
}

export function createContents(): Contents {
  const manifests = new Map<Digest, ManifestEntry>();
  const tags = new Map<Tag, Digest>();
  const bySubject = new Map<Digest, Set<Digest>>();
  // Clients page through the same list: it is sorted once for them all.
  let sorted: readonly Tag[] | undefined;

  return {
    manifests,
    tags,
    find(reference) {
      // A tag has no colon, a digest has one.
      const digest = isDigest(reference) ? reference : tags.get(reference);
      return digest === undefined ? undefined : manifests.get(digest);
    },
    sortedTags() {
      sorted ??= [...tags.keys()].sort();
      return sorted;
    },
    referrers: (subject) => [...(bySubject.get(subject) ?? [])].sort(),
    apply(change) {
      switch (change.type) {
        case "put": {
          const { digest, subject } = change.manifest;
          manifests.set(digest, change.manifest);
          if (subject !== undefined)
            bySubject.set(subject, (bySubject.get(subject) ?? new Set()).add(digest));
          for (const tag of change.tags) {
            if (!tags.has(tag)) sorted = undefined;
            tags.set(tag, digest);
          }
          return;
        }
        case "delete": {
          const subject = manifests.get(change.digest)?.subject;
          if (subject !== undefined) bySubject.get(subject)?.delete(change.digest);
          manifests.delete(change.digest);
          for (const [tag, digest] of tags) if (digest === change.digest) tags.delete(tag);
          sorted = undefined;
          return;
        }
        case "untag":
          tags.delete(change.tag);
          sorted = undefined;
          return;
      }
    },
  };
}
