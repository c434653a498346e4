import {
  closeSync,
  existsSync,
  fdatasync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Clock } from "../../base/clock.js";
import type { Digest } from "../../oci/digest.js";
import type { RepositoryName } from "../../oci/reference.js";
import type { Contents } from "../../server/contents.js";
import type { RepositoryStorage, StoredBlob } from "../../server/storage.js";
import { adoptBlob, digestsIn, linkBlob, removeBlob, touch } from "./blob-files.js";
import type { DiskIndex } from "./disk-index.js";
import { openDiskUploads, type RunningHash } from "./disk-upload.js";
import { readFileRange } from "./read-file.js";
import { blobPathOf, directoryOf, newPathOf, sharedPathOf } from "./root.js";

/** What the repositories below one root have in common. */
export interface DiskRoot {
  readonly root: string;
  readonly clock: Pick<Clock, "now">;
  /** The index of a repository that is there, or that `make` makes. */
  index(name: RepositoryName, options?: { make: true }): DiskIndex | undefined;
  readonly hashes: Map<string, RunningHash>;
}

const syncData = promisify(fdatasync);

/** A repository in its OCI image layout. Small files are read and written synchronously, at a tenth of the cost. */
export function openDiskRepository(name: RepositoryName, shared: DiskRoot): RepositoryStorage {
  const { root, clock, hashes } = shared;
  const layout = directoryOf(root, name);
  const contents = (): Contents | undefined => shared.index(name)?.contents;
  const uploads = openDiskUploads({
    directory: join(layout, "_uploads"),
    hashes,
    clock,
    adopt(file, digest) {
      shared.index(name, { make: true });
      adoptBlob(file, { digest, root, layout, clock });
    },
  });

  function find(digest: Digest): StoredBlob | undefined {
    const path = blobPathOf(layout, digest);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) return undefined;
    return { size, read: (range = { start: 0, end: size }) => readFileRange(path, range) };
  }

  return {
    name,
    exists: async () => contents() !== undefined,

    blob: async (digest) => find(digest),
    async claim(digest) {
      const blob = find(digest);
      if (blob !== undefined) touch(blobPathOf(layout, digest), clock);
      return blob;
    },
    async mount(digest, from) {
      const source =
        from === undefined ? sharedPathOf(root, digest) : blobPathOf(directoryOf(root, from), digest);
      if (!existsSync(source)) return false;
      shared.index(name, { make: true });
      linkBlob(source, { digest, root, layout, clock });
      return true;
    },
    deleteBlob: async (digest) => removeBlob({ digest, root, layout }),
    blobs: async () => digestsIn(join(layout, "blobs")),

    startUpload: async (algorithm) => uploads.start(algorithm),
    upload: async (id) => uploads.find(id),

    async manifest(reference) {
      const entry = contents()?.find(reference);
      if (entry === undefined) return undefined;
      const { mediaType, digest } = entry;
      return { mediaType, digest, bytes: readFileSync(blobPathOf(layout, digest)) };
    },
    async putManifest({ mediaType, digest, bytes }, { tags, subject }) {
      const index = shared.index(name, { make: true });
      const path = blobPathOf(layout, digest);
      if (!existsSync(path)) await writeSynced(path, bytes, newPathOf(root));
      touch(path, clock);
      const manifest = { mediaType, digest, size: bytes.byteLength, subject };
      await index?.commit({ type: "put", manifest, tags });
    },
    async deleteManifest(digest) {
      if (!contents()?.manifests.has(digest)) return false;
      await shared.index(name)?.commit({ type: "delete", digest });
      return true;
    },
    async deleteTag(tag) {
      if (!contents()?.tags.has(tag)) return false;
      await shared.index(name)?.commit({ type: "untag", tag });
      return true;
    },
    manifests: async () => [...(contents()?.manifests.keys() ?? [])],
    tags: async () => contents()?.sortedTags() ?? [],
    referrers: async (subject) => contents()?.referrers(subject) ?? [],

    async sweep({ keep, before }) {
      const { uploads: gone, bytes } = uploads.sweep(before);
      const swept = { blobs: 0, uploads: gone, bytes };
      for (const digest of digestsIn(join(layout, "blobs"))) {
        if (keep.has(digest) || contents()?.manifests.has(digest)) continue;
        const { mtimeMs, size } = statSync(blobPathOf(layout, digest));
        if (mtimeMs >= before || !removeBlob({ digest, root, layout })) continue;
        swept.blobs += 1;
        swept.bytes += size;
      }
      return swept;
    },
  };
}

async function writeSynced(path: string, bytes: Uint8Array, temporary: string): Promise<void> {
  mkdirSync(join(path, ".."), { recursive: true });
  const fd = openSync(temporary, "wx");
  try {
    writeFileSync(fd, bytes);
    await syncData(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}
