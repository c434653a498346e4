import { type Bytes, bytesOf, readAll } from "../base/bytes.js";
import { checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { Descriptor } from "./descriptor.js";
import { algorithmOf, type Digest, digestOf, isDigest } from "./digest.js";
import { decodeImageManifest, referrerOf } from "./manifest.js";
import { isImageManifest, isNondistributable } from "./media-types.js";
import { isTag, type RepositoryName, type Tag } from "./reference.js";
import type { BlobStore, Manifest, ManifestStore, Registry, Repository } from "./repository.js";
import { assertDigest, verified } from "./verified.js";

/** A registry in memory: the ports' smallest true implementation, for tests and for what never leaves a process. */
export function createMemoryRegistry(label = "memory"): Registry {
  const repositories = new Map<RepositoryName, Repository>();
  const blobsOf = new Map<RepositoryName, Map<Digest, Uint8Array>>();

  function open(name: RepositoryName): Repository {
    const subject = `${label}/${name}`;
    const stored = new Map<Digest, Uint8Array>();
    blobsOf.set(name, stored);
    const byDigest = new Map<Digest, Manifest>();
    const byTag = new Map<Tag, Digest>();

    const blobs: BlobStore = {
      stat: async (digest) => stored.get(digest)?.byteLength,
      async *read(descriptor, call): Bytes {
        checkInterrupted(call);
        const bytes = stored.get(descriptor.digest);
        if (bytes === undefined) throw blobMissing(subject, descriptor.digest);
        yield* verified(bytesOf(bytes), descriptor, `${subject}@${descriptor.digest}`);
      },
      async write(content, call) {
        checkInterrupted(call);
        const { digest, size } = content.descriptor;
        if (stored.has(digest)) return "present";
        const elsewhere = call?.from === undefined ? undefined : blobsOf.get(call.from)?.get(digest);
        const bytes =
          elsewhere ??
          (await readAll(verified(content.open(call), content.descriptor, digest), {
            limit: size,
            subject: digest,
          }));
        stored.set(digest, bytes);
        return elsewhere === undefined ? "written" : "mounted";
      },
      delete: async (digest) => void stored.delete(digest),
    };

    const find = (reference: Tag | Digest): Manifest | undefined => {
      const digest = isDigest(reference) ? reference : byTag.get(reference);
      return digest === undefined ? undefined : byDigest.get(digest);
    };
    const manifests: ManifestStore = {
      stat: async (reference) => find(reference)?.descriptor,
      read: async (reference) => find(reference),
      async write(manifest, call) {
        checkInterrupted(call);
        const { digest, mediaType } = manifest.descriptor;
        assertDigest(digestOf(manifest.bytes, algorithmOf(digest)), digest, subject);
        for (const blob of isImageManifest(mediaType) ? blobsIn(manifest) : [])
          if (!stored.has(blob.digest))
            throw new Failure(
              "conflict",
              `${subject}@${digest} names blob ${blob.digest}, which is not there`,
              {
                code: "oci.manifest-blob-missing",
                subject,
              },
            );
        byDigest.set(digest, manifest);
        if (call?.tag !== undefined) byTag.set(call.tag, digest);
      },
      async delete(reference) {
        if (isTag(reference)) byTag.delete(reference);
        else {
          byDigest.delete(reference);
          for (const [tag, digest] of byTag) if (digest === reference) byTag.delete(tag);
        }
      },
    };

    return {
      label: subject,
      registry: label,
      name,
      blobs,
      manifests,
      async *tags() {
        yield* [...byTag.keys()].sort();
      },
      async referrers(digest, call) {
        return [...byDigest.values()]
          .map(referrerOf)
          .filter((found) => found?.subject.digest === digest)
          .flatMap((found): Descriptor[] => (found === undefined ? [] : [found.entry]))
          .filter((entry) => call?.artifactType === undefined || entry.artifactType === call.artifactType);
      },
    };
  }

  return {
    repository(name) {
      const known = repositories.get(name);
      if (known !== undefined) return known;
      const repository = open(name);
      repositories.set(name, repository);
      return repository;
    },
  };
}

function blobsIn(manifest: Manifest): readonly Descriptor[] {
  const { config, layers } = decodeImageManifest(manifest);
  return [config, ...layers.filter(({ mediaType }) => !isNondistributable(mediaType))];
}

export function blobMissing(repository: string, digest: Digest): Failure {
  return new Failure("not-found", `${repository} has no blob ${digest}`, {
    code: "oci.blob-missing",
    subject: `${repository}@${digest}`,
  });
}
