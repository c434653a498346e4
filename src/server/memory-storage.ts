import { createHash, randomUUID } from "node:crypto";
import { concat } from "../base/bytes.js";
import type { Clock } from "../base/clock.js";
import { algorithmOf, type Digest, type DigestAlgorithm, digestOf } from "../oci/digest.js";
import type { RepositoryName } from "../oci/reference.js";
import { type Contents, createContents } from "./contents.js";
import type { RepositoryStorage, Storage, StoredBlob, Upload } from "./storage.js";

interface Repository {
  readonly contents: Contents;
  readonly blobs: Map<Digest, { readonly bytes: Uint8Array; asked: number }>;
}

/** Keeps everything in memory: for tests, and for what need not outlive the process. */
export function createMemoryStorage({ clock }: { clock: Pick<Clock, "now"> }): Storage {
  const repositories = new Map<RepositoryName, Repository>();
  const uploads = new Map<string, { name: RepositoryName; upload: Upload; started: number }>();

  function made(name: RepositoryName): Repository {
    const there = repositories.get(name) ?? { contents: createContents(), blobs: new Map() };
    repositories.set(name, there);
    return there;
  }

  function repository(name: RepositoryName): RepositoryStorage {
    const find = (): Repository | undefined => repositories.get(name);
    const store = (digest: Digest, bytes: Uint8Array): void =>
      void made(name).blobs.set(digest, { bytes, asked: clock.now() });
    return {
      name,
      exists: async () => find() !== undefined,

      async blob(digest) {
        const bytes = find()?.blobs.get(digest)?.bytes;
        return bytes && storedBlobOf(bytes);
      },
      async claim(digest) {
        const blob = find()?.blobs.get(digest);
        if (blob === undefined) return undefined;
        blob.asked = clock.now();
        return storedBlobOf(blob.bytes);
      },
      async mount(digest, from) {
        const sources = from === undefined ? [...repositories.values()] : [repositories.get(from)];
        const found = sources.map((source) => source?.blobs.get(digest)).find((blob) => blob !== undefined);
        if (found !== undefined) store(digest, found.bytes);
        return found !== undefined;
      },
      deleteBlob: async (digest) => find()?.blobs.delete(digest) ?? false,
      blobs: async () => [...(find()?.blobs.keys() ?? [])],

      async startUpload(algorithm) {
        const upload = createUpload({ algorithm, store, ended: (id) => uploads.delete(id) });
        uploads.set(upload.id, { name, upload, started: clock.now() });
        return upload;
      },
      async upload(id) {
        const found = uploads.get(id);
        return found?.name === name ? found.upload : undefined;
      },

      async manifest(reference) {
        const entry = find()?.contents.find(reference);
        const blob = entry && find()?.blobs.get(entry.digest);
        return blob && { mediaType: entry.mediaType, digest: entry.digest, bytes: blob.bytes };
      },
      async putManifest({ mediaType, digest, bytes }, { tags, subject }) {
        store(digest, bytes);
        const manifest = { mediaType, digest, size: bytes.byteLength, subject };
        made(name).contents.apply({ type: "put", manifest, tags });
      },
      async deleteManifest(digest) {
        const contents = find()?.contents;
        if (!contents?.manifests.has(digest)) return false;
        contents.apply({ type: "delete", digest });
        return true;
      },
      async deleteTag(tag) {
        const contents = find()?.contents;
        if (!contents?.tags.has(tag)) return false;
        contents.apply({ type: "untag", tag });
        return true;
      },
      manifests: async () => [...(find()?.contents.manifests.keys() ?? [])],
      tags: async () => find()?.contents.sortedTags() ?? [],
      referrers: async (subject) => find()?.contents.referrers(subject) ?? [],

      async sweep({ keep, before }) {
        const swept = { blobs: 0, uploads: 0, bytes: 0 };
        const there = find();
        for (const [digest, { bytes, asked }] of there?.blobs ?? []) {
          if (keep.has(digest) || there?.contents.manifests.has(digest) || asked >= before) continue;
          there?.blobs.delete(digest);
          swept.blobs += 1;
          swept.bytes += bytes.byteLength;
        }
        for (const { name: owner, upload, started } of [...uploads.values()]) {
          if (owner !== name || started >= before) continue;
          swept.uploads += 1;
          swept.bytes += await upload.offset();
          await upload.cancel();
        }
        return swept;
      },
    };
  }

  return {
    repositories: async () => [...repositories.keys()].sort(),
    repository,
    sweep: async () => ({ blobs: 0, uploads: 0, bytes: 0 }),
    close: async () => {},
  };
}

const storedBlobOf = (bytes: Uint8Array): StoredBlob => ({
  size: bytes.byteLength,
  async *read(range) {
    yield bytes.subarray(range?.start ?? 0, range?.end ?? bytes.byteLength);
  },
});

function createUpload({
  algorithm,
  ended,
  store,
}: {
  algorithm: DigestAlgorithm;
  ended: (id: string) => void;
  store: (digest: Digest, bytes: Uint8Array) => void;
}): Upload {
  const id = randomUUID();
  const chunks: Uint8Array[] = [];
  const hash = createHash(algorithm);
  let size = 0;
  return {
    id,
    offset: async () => size,
    async append(bytes) {
      for await (const chunk of bytes) {
        chunks.push(chunk);
        hash.update(chunk);
        size += chunk.byteLength;
      }
    },
    async commit(digest) {
      ended(id);
      const bytes = concat(chunks);
      const found =
        algorithmOf(digest) === algorithm
          ? `${algorithm}:${hash.digest("hex")}`
          : digestOf(bytes, algorithmOf(digest));
      if (found !== digest) return false;
      store(digest, bytes);
      return true;
    },
    cancel: async () => ended(id),
  };
}
