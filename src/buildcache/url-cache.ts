import { gzip } from "../archive/gzip.js";
import { inflate } from "../archive/gunzip.js";
import { bytesOf, concat, readAll, utf8 } from "../base/bytes.js";
import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { contentOf } from "../oci/content.js";
import type { Descriptor } from "../oci/descriptor.js";
import { type Digest, digestOf } from "../oci/digest.js";
import { parseJson } from "../oci/json.js";
import { mediaTypes } from "../oci/media-types.js";
import type { BlobStore } from "../oci/repository.js";
import type { SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { nodeOf } from "../spec/graph.js";
import { pythonJson } from "../spec/python-json.js";
import { specFileOf } from "../spec/spec-file.js";
import type { BuildCache, IndexStore } from "./build-cache.js";
import { type OpenDocument, type SignDocument, withoutSignature } from "./signed-document.js";
import { decodePackage, entryBroken, metadataLimit } from "./entry.js";
import { decodeIndex, emptyIndex, graphOfIndex, indexLimit } from "./index-document.js";
import type { ObjectContent, ObjectStore } from "./object-store.js";
import type { Entry } from "./source.js";
import { urlBlobs } from "./url-blobs.js";
import {
  blobOf,
  decodeUrlManifest,
  encodeUrlManifest,
  hashOfSpecManifest,
  indexManifestPath,
  layoutDocument,
  layoutPath,
  mediaTypesV3,
  type StoredBlob,
  specManifestFolder,
  specManifestPath,
} from "./url-layout-v3.js";

export interface UrlCacheOptions {
  /** Reads manifests of packages; else their signatures are not looked at. */
  readonly open?: OpenDocument | undefined;
  /** An index of its own, beside the mirror's. */
  readonly view?: string | undefined;
}

/** A package to be written: its tarball is there already. */
export interface NewPackage {
  /** Its one root is the package. */
  readonly graph: SpecGraph;
  readonly layer: Descriptor;
}

export interface WriteOptions extends Call {
  /** Replace another package of the same hash. */
  readonly force?: boolean | undefined;
  readonly sign?: SignDocument | undefined;
}

/** A mirror of layout 3, which can be written, too. */
export interface UrlCache extends BuildCache {
  readonly blobs: BlobStore;
  /** Whether a package and all that its manifest names are there: what is damaged is not. */
  holds(name: string, call?: Call): Promise<boolean>;
  /**
   * Writes metadata and, last, the manifest of a package whose tarball is there.
   * @returns the digest of its manifest
   * @throws Failure `push.tag-differs` where another of that hash is there
   */
  write(one: NewPackage, options?: WriteOptions): Promise<Digest>;
  /**
   * Copies a package as it is, its signature with it: what its manifest names, then the manifest.
   * @returns its digest, and the bytes that had to be sent
   * @throws Failure `push.tag-differs`
   */
  copy(
    name: string,
    from: UrlCache,
    options?: Omit<WriteOptions, "sign">,
  ): Promise<{ readonly manifest: Digest; readonly layer: Descriptor }>;
  /** A package's manifest as it is stored. */
  manifest(name: string, call?: Call): Promise<Uint8Array | undefined>;
  /** Deletes a package's manifest: its blobs stay, as others may need them. */
  delete(name: string, call?: Call): Promise<void>;
}

/** Opens a mirror of layout 3, be it there already or not. */
export function urlCache(store: ObjectStore, options: UrlCacheOptions = {}): UrlCache {
  const { open = withoutSignature, view } = options;
  const { label } = store;
  const blobs = urlBlobs(store);
  const index = urlIndex(store, blobs, view);
  const subjectOf = (path: string): string => `${label}/${path}`;
  let known: Promise<ReadonlyMap<DagHash, string>> | undefined;
  let prepared: Promise<unknown> | undefined;

  async function packages(call?: Call): Promise<Map<DagHash, string>> {
    const found = new Map<DagHash, string>();
    if (store.list !== undefined)
      for await (const path of store.list(specManifestFolder, call)) {
        const hash = hashOfSpecManifest(path);
        if (hash !== undefined) found.set(hash, path);
      }
    else {
      // A web site has no listing: its index is all that tells.
      const stored = await index.read(call);
      const graph = graphOfIndex(stored?.index ?? emptyIndex, { subject: label });
      for (const hash of graph.roots) found.set(hash, specManifestPath(nodeOf(graph, hash)));
    }
    return found;
  }

  async function blobsOf(path: string, call: Call | undefined): Promise<readonly StoredBlob[] | undefined> {
    const bytes = await readSmall(store, path, call);
    const subject = subjectOf(path);
    return bytes && decodeUrlManifest(await open(bytes, { subject }), subject);
  }

  async function find(path: string, call?: Call) {
    checkInterrupted(call);
    const subject = subjectOf(path);
    const stored = await blobsOf(path, call);
    if (stored === undefined) return undefined;
    const tarball = blobOf(stored, "tarball", subject);
    const metadata = blobOf(stored, "spec", subject);
    return {
      metadataSize: metadata.descriptor.size,
      read: () => readSpec(path, { tarball, metadata }, call),
    };
  }

  async function readSpec(
    path: string,
    stored: { readonly tarball: StoredBlob; readonly metadata: StoredBlob },
    call: Call | undefined,
  ): Promise<Entry> {
    const subject = subjectOf(path);
    const document = await readBlob(blobs, stored.metadata, { ...call, subject });
    const metadata = parseJson(document, subject, metadataLimit);
    const { spec, graph } = decodePackage(Object(metadata), { subject });
    if (specManifestPath(spec) !== path)
      throw entryBroken(subject, `it holds ${spec.name}@${spec.version}/${spec.hash}`);
    const layer = { ...stored.tarball.descriptor, mediaType: mediaTypes.ociLayerGzip };
    return { label, spec, graph, layer, open: (inner) => blobs.read(layer, inner ?? call) };
  }

  const read = async (path: string, call?: Call): Promise<Entry | undefined> =>
    (await find(path, call))?.read();

  async function holds(path: string, call?: Call): Promise<boolean> {
    try {
      const stored = await blobsOf(path, call);
      if (stored === undefined) return false;
      for (const { descriptor } of stored)
        if ((await blobs.stat(descriptor.digest, call)) !== descriptor.size) return false;
      return true;
    } catch (error) {
      if (error instanceof Failure && error.kind === "corrupt") return false;
      throw error;
    }
  }

  /** What tells Spack that there is a mirror. */
  async function prepare(call: Call | undefined): Promise<void> {
    prepared ??= store.write(layoutPath, objectOf(utf8(layoutDocument)), { ...call, replace: false });
    await prepared;
  }

  async function writeManifest(
    path: string,
    bytes: Uint8Array,
    { force, layer, ...call }: Call & { readonly force: boolean; readonly layer: Descriptor },
  ): Promise<Digest> {
    if ((await store.write(path, objectOf(bytes), { ...call, replace: force })) === "written")
      return digestOf(bytes);
    // One that is not whole is worth nothing.
    if (!(await holds(path, call))) {
      await store.write(path, objectOf(bytes), call);
      return digestOf(bytes);
    }
    const there = await blobsOf(path, call);
    if (there !== undefined && blobOf(there, "tarball", subjectOf(path)).descriptor.digest === layer.digest)
      return digestOf(bytes);
    throw new Failure("conflict", `${subjectOf(path)} is there already, with another tarball`, {
      code: "push.tag-differs",
      subject: path,
      hint: "It is left as it is; replace it with --force.",
    });
  }

  return {
    label,
    identity: `${label} 3 ${view ?? ""}`,
    blobs,
    packages,
    names: (spec) => [specManifestPath(spec)],
    find,
    read,
    async resolve({ hash, name, version }, call) {
      if (name !== undefined && version !== undefined)
        return read(specManifestPath({ name, version, hash }), call);
      known ??= packages(call);
      const path = (await known).get(hash);
      return path === undefined ? undefined : read(path, call);
    },
    holds,
    async write({ graph, layer }, { force = false, sign, ...call } = {}) {
      assertInFiles(layer, label);
      await prepare(call);
      const [root] = graph.roots;
      if (root === undefined) throw new Error("a package without a root");
      const path = specManifestPath(nodeOf(graph, root));
      const metadata = contentOf(await gzipped(metadataOf(graph)), mediaTypesV3.spec);
      await blobs.write(metadata, call);
      const { digest, size } = layer;
      const stored: StoredBlob[] = [
        { descriptor: { mediaType: mediaTypesV3.tarball, digest, size }, compression: "gzip" },
        { descriptor: metadata.descriptor, compression: "gzip" },
      ];
      const plain = encodeUrlManifest(stored);
      const bytes = sign === undefined ? plain : await sign(plain);
      return writeManifest(path, bytes, { ...call, force, layer });
    },
    manifest: (path, call) => readSmall(store, path, call),
    async copy(path, from, { force = false, ...call } = {}) {
      await prepare(call);
      const bytes = await from.manifest(path, call);
      const subject = `${from.label}/${path}`;
      if (bytes === undefined) throw entryBroken(subject, "it is gone");
      const stored = decodeUrlManifest(await withoutSignature(bytes, { subject }), subject);
      for (const { descriptor } of stored)
        await blobs.write({ descriptor, open: (inner) => from.blobs.read(descriptor, inner) }, call);
      const layer = blobOf(stored, "tarball", subject).descriptor;
      return { manifest: await writeManifest(path, bytes, { ...call, force, layer }), layer };
    },
    delete: (path, call) => store.delete(path, call),
    index: {
      ...index,
      async write(document, call) {
        await prepare(call);
        return await index.write(document, call);
      },
    },
  };
}

/** What Spack does not read is not written where only it and we look. */
export const zstdInFiles = (label: string): Failure =>
  new Failure("unsupported", `${label} is no registry: tarballs there are gzip, as Spack reads no other`, {
    code: "buildcache.zstd-unsupported",
    subject: label,
    hint: "Push them there with gzip; zstd is for oci://… and oci-layout:DIR.",
  });

/** @throws Failure `buildcache.zstd-unsupported` */
export function assertInFiles({ mediaType }: Descriptor, label: string): void {
  if (mediaType === mediaTypes.ociLayerZstd) throw zstdInFiles(label);
}

const metadataOf = (graph: SpecGraph): Uint8Array =>
  utf8(pythonJson({ ...specFileOf(graph), buildcache_layout_version: 2 }));

export const objectOf = (bytes: Uint8Array): ObjectContent => ({
  size: bytes.byteLength,
  open: () => bytesOf(bytes),
});

async function gzipped(bytes: Uint8Array): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  await gzip([bytes], (chunk) => void chunks.push(Uint8Array.from(chunk)));
  return concat(chunks);
}

/** The bytes of a small object; undefined where there is none. */
export async function readSmall(
  store: ObjectStore,
  path: string,
  call: Call | undefined,
): Promise<Uint8Array | undefined> {
  const found = await store.read(path, call);
  return found && readAll(found, { limit: metadataLimit, subject: `${store.label}/${path}` });
}

/** The content of a blob, decompressed. */
export async function readBlob(
  blobs: BlobStore,
  { descriptor, compression }: StoredBlob,
  { subject, limit = metadataLimit, ...call }: Call & { readonly subject: string; readonly limit?: number },
): Promise<Uint8Array> {
  const bytes = await readAll(blobs.read(descriptor, call), { limit, subject });
  return compression === "none" ? bytes : readAll(inflate([bytes], { ...call, subject }), { limit, subject });
}

function urlIndex(store: ObjectStore, blobs: BlobStore, view: string | undefined): IndexStore {
  const path = indexManifestPath(view);
  const subject = view === undefined ? store.label : `${store.label} (view ${view})`;
  return {
    async state(call) {
      const manifest = await readSmall(store, path, call);
      return manifest && digestOf(manifest);
    },
    async read(call) {
      for (let before: Digest | undefined; ; ) {
        const manifest = await readSmall(store, path, call);
        if (manifest === undefined) return undefined;
        const state = digestOf(manifest);
        const blob = blobOf(decodeUrlManifest(manifest, `${store.label}/${path}`), "index", subject);
        try {
          const document = await readBlob(blobs, blob, { ...call, subject, limit: indexLimit });
          return { index: decodeIndex(document, { subject }), state, unreadable: false };
        } catch (error) {
          // A writer who replaced it since may have removed what it named: then it names something else by now.
          if (!(error instanceof Failure) || error.code !== "oci.blob-missing" || state === before)
            throw error;
          before = state;
        }
      }
    },
    async write(document, call) {
      const content = contentOf(document, mediaTypesV3.index);
      await blobs.write(content, call);
      const manifest = encodeUrlManifest([{ descriptor: content.descriptor, compression: "none" }]);
      await store.write(path, objectOf(manifest), call);
      return digestOf(manifest);
    },
  };
}

export const isUrlCache = (cache: BuildCache): cache is UrlCache => "blobs" in cache;
