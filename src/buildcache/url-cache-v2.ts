import { readAll, textOf } from "../base/bytes.js";
import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { digestOf, isDigest } from "../oci/digest.js";
import { parseJson } from "../oci/json.js";
import { mediaTypes } from "../oci/media-types.js";
import { verified } from "../oci/verified.js";
import type { DagHash } from "../spec/dag-hash.js";
import { nodeOf } from "../spec/graph.js";
import type { BuildCache, StoredIndex } from "./build-cache.js";
import { type OpenDocument, withoutSignature } from "./signed-document.js";
import { decodePackage, entryBroken, metadataLimit } from "./entry.js";
import { decodeIndex, emptyIndex, graphOfIndex, indexLimit } from "./index-document.js";
import type { ObjectStore } from "./object-store.js";
import type { Entry } from "./source.js";
import { readSmall } from "./url-cache.js";
import {
  folderV2,
  hashOfSpecV2,
  indexHashPathV2,
  indexPathV2,
  specPathsV2,
  tarballPathV2,
} from "./url-layout-v2.js";

/** Opens a mirror of layout 2, to be read. */
export function urlCacheV2(
  store: ObjectStore,
  { open = withoutSignature }: { readonly open?: OpenDocument | undefined } = {},
): BuildCache {
  const { label } = store;
  let known: Promise<ReadonlyMap<DagHash, string>> | undefined;

  async function readIndex(call?: Call): Promise<StoredIndex | undefined> {
    const found = await store.read(indexPathV2, call);
    if (found === undefined) return undefined;
    const bytes = await readAll(found, { limit: indexLimit, subject: label });
    return { index: decodeIndex(bytes, { subject: label }), state: digestOf(bytes), unreadable: false };
  }

  async function packages(call?: Call): Promise<Map<DagHash, string>> {
    const found = new Map<DagHash, string>();
    if (store.list !== undefined)
      for await (const path of store.list(folderV2, call)) {
        const hash = hashOfSpecV2(path);
        if (hash !== undefined && !found.get(hash)?.endsWith(".sig")) found.set(hash, path);
      }
    else {
      const { index } = (await readIndex(call)) ?? { index: emptyIndex };
      const graph = graphOfIndex(index, { subject: label });
      for (const hash of graph.roots) found.set(hash, specPathsV2(nodeOf(graph, hash))[1]);
    }
    return found;
  }

  /** Where it is not listed, an index does not tell whether it is signed. */
  async function readMetadata(path: string, call: Call | undefined) {
    const signed = path.endsWith(".sig") ? path : `${path}.sig`;
    for (const at of store.list === undefined ? [signed, path] : [path]) {
      const bytes = await readSmall(store, at, call);
      if (bytes !== undefined) return { bytes, subject: `${label}/${at}` };
    }
    return undefined;
  }

  async function read(path: string, call?: Call): Promise<Entry | undefined> {
    checkInterrupted(call);
    const found = await readMetadata(path, call);
    if (found === undefined) return undefined;
    const { subject } = found;
    const metadata = Object(parseJson(await open(found.bytes, { subject }), subject, metadataLimit));
    const { spec, graph } = decodePackage(metadata, { subject });
    if (!specPathsV2(spec).some((at) => at === path))
      throw entryBroken(subject, `it holds ${spec.name}@${spec.version}/${spec.hash}`);
    const checksum = Object(metadata["binary_cache_checksum"]);
    const digest = `${checksum["hash_algorithm"]}:${checksum["hash"]}`;
    if (!isDigest(digest)) throw entryBroken(subject, "it tells no checksum of its tarball");
    const tarball = tarballPathV2(spec);
    const size = await store.stat(tarball, call);
    if (size === undefined) throw entryBroken(subject, `its tarball ${tarball} is missing`);
    const layer = { mediaType: mediaTypes.ociLayerGzip, digest, size };
    const bytesOf = async function* (inner: Call | undefined) {
      const archive = await store.read(tarball, inner);
      if (archive === undefined) throw entryBroken(subject, `its tarball ${tarball} is missing`);
      yield* archive;
    };
    return {
      label,
      spec,
      graph,
      layer,
      open: (inner) => verified(bytesOf(inner ?? call), layer, `${label}/${tarball}`),
    };
  }

  return {
    label,
    identity: `${label} 2`,
    packages,
    names: specPathsV2,
    // One file tells all there is to tell.
    find: async (path) => ({ metadataSize: 0, read: (call) => read(path, call) }),
    read,
    async resolve({ hash }, call) {
      known ??= packages(call);
      const path = (await known).get(hash);
      return path === undefined ? undefined : read(path, call);
    },
    index: {
      async state(call) {
        // Spack's own hash of the index saves reading it.
        const written = textOf((await readSmall(store, indexHashPathV2, call)) ?? new Uint8Array())?.trim();
        const digest = `sha256:${written}`;
        return isDigest(digest) ? digest : (await readIndex(call))?.state;
      },
      read: readIndex,
      write: async () => {
        throw new Failure("unsupported", `${label} has layout 2, of Spack before 1.0, which is only read`, {
          code: "mirror.layout-read-only",
          subject: label,
          hint: "`stowage buildcache migrate MIRROR` makes it one of layout 3.",
        });
      },
    },
  };
}
