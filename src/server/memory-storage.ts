import { createHash, randomUUID } from "node:crypto";
import { concat } from "../base/bytes.js";
import type { Clock } from "../base/clock.js";
import { algorithmOf, type Digest, type DigestAlgorithm, digestOf } from "../oci/digest.js";
import type { RepositoryName } from "../oci/reference.js";
import { type Contents, createContents } from "./contents.js";
import type { RepositoryStorage, Storage, Upload } from "./storage.js";

interface Repository {
  readonly contents: Contents;
  readonly manifests: Map<Digest, Uint8Array>;
  readonly blobs: Map<Digest, { readonly bytes: Uint8Array; asked: number }>;
  readonly uploads: Map<string, { upload: Upload; readonly started: number }>;
}

/** Keeps everything in memory: for tests, and for what need not outlive the process. */
export function createMemoryStorage({ clock }: { clock: Pick<Clock, "now"> }): Storage {
  const repositories = new Map<RepositoryName, Repository>();
  const made = (name: RepositoryName): Repository => {
    const there = repositories.get(name);
    if (there !== undefined) return there;
    const fresh: Repository = {
      contents: createContents(),
      manifests: new Map(),
      blobs: new Map(),
      uploads: new Map(),
    };
    repositories.set(name, fresh);
    return fresh;
  };
  const isInUse = ({ manifests, blobs }: Repository): boolean => manifests.size + blobs.size > 0;

  function repository(name: RepositoryName): RepositoryStorage {
    const find = (): Repository | undefined => repositories.get(name);
    return {
      name,
      exists: async () => find() !== undefined,

      async blob(digest) {
        const blob = find()?.blobs.get(digest);
        if (blob === undefined) return undefined;
        blob.asked = clock.now();
        const { bytes } = blob;
        return {
          size: bytes.byteLength,
          async *read(range) {
            yield bytes.subarray(range?.start ?? 0, range?.end ?? bytes.byteLength);
          },
        };
      },
      async mount(digest, from) {
        const sources = from === undefined ? [...repositories.values()] : [repositories.get(from)];
        const found = sources.map((source) => source?.blobs.get(digest)).find((blob) => blob !== undefined);
        if (found === undefined) return false;
        made(name).blobs.set(digest, { bytes: found.bytes, asked: clock.now() });
        return true;
      },
      deleteBlob: async (digest) => find()?.blobs.delete(digest) ?? false,
      blobs: async () => [...(find()?.blobs.keys() ?? [])],

      async startUpload(algorithm) {
        const { uploads } = made(name);
        const upload = createUpload({
          algorithm,
          ended: (id) => uploads.delete(id),
          store: (digest, bytes) => made(name).blobs.set(digest, { bytes, asked: clock.now() }),
        });
        uploads.set(upload.id, { upload, started: clock.now() });
        return upload;
      },
      upload: async (id) => find()?.uploads.get(id)?.upload,

      async manifest(reference) {
        const entry = find()?.contents.find(reference);
        const bytes = entry && find()?.manifests.get(entry.digest);
        return bytes && { mediaType: entry.mediaType, digest: entry.digest, bytes };
      },
      async putManifest({ mediaType, digest, bytes }, { tags, subject }) {
        const { contents, manifests } = made(name);
        manifests.set(digest, bytes);
        contents.apply({
          type: "put",
          manifest: { mediaType, digest, size: bytes.byteLength, subject },
          tags,
        });
      },
      async deleteManifest(digest) {
        const there = find();
        if (there === undefined || !there.manifests.delete(digest)) return false;
        there.contents.apply({ type: "delete", digest });
        return true;
      },
      async deleteTag(tag) {
        const contents = find()?.contents;
        if (contents === undefined || !contents.tags.has(tag)) return false;
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
          if (keep.has(digest) || asked >= before) continue;
          there?.blobs.delete(digest);
          swept.blobs += 1;
          swept.bytes += bytes.byteLength;
        }
        for (const { upload, started } of [...(there?.uploads.values() ?? [])]) {
          if (started >= before) continue;
          swept.uploads += 1;
          swept.bytes += await upload.offset();
          await upload.cancel();
        }
        return swept;
      },
    };
  }

  return {
    repositories: async () =>
      [...repositories]
        .filter(([, held]) => isInUse(held))
        .map(([name]) => name)
        .sort(),
    repository,
    close: async () => {},
  };
}

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
