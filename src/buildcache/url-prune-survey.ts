import { bytesOf } from "../base/bytes.js";
import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { type Digest, digestOf } from "../oci/digest.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import type { BrokenPackage } from "./index-update.js";
import type { ListedObject, ObjectStore } from "./object-store.js";
import type { DatedPackage } from "./prune-plan.js";
import { withoutSignature } from "./signed-document.js";
import { readSmall, urlCache } from "./url-cache.js";
import {
  blobPath,
  decodeUrlManifest,
  hashOfSpecManifest,
  manifestFolder,
  specManifestFolder,
} from "./url-layout-v3.js";

/** A manifest as it was looked at: of a package, of an index, of a key, or of what later versions add. */
export interface StoredManifest extends ListedObject {
  readonly digest: Digest;
  /** Names of blobs that occur in it, whatever it says about them: what is damaged or newer than we are needs them, too. */
  readonly names: ReadonlySet<string>;
  /** Paths of the blobs that it needs, where it can be read. */
  readonly needs: readonly string[];
}

/** A package as it is stored. */
export interface FiledPackage extends DatedPackage {
  readonly manifest: StoredManifest;
}

/** All that the manifests of a mirror name. */
export interface FileSurvey {
  readonly manifests: ReadonlyMap<string, StoredManifest>;
  /** Empty where specs were not asked for. */
  readonly packages: ReadonlyMap<DagHash, FiledPackage>;
  /** Every node that a package knows of. */
  readonly nodes: ReadonlyMap<DagHash, ConcreteSpec>;
  /** Manifests that should be packages and cannot be read. */
  readonly broken: ReadonlyMap<string, BrokenPackage>;
}

const manifestSuffix = ".manifest.json";

/** Names of blobs are their checksums. */
const checksums = /[0-9a-f]{32,}/g;
export const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
export const isBlobName = (name: string): boolean => /^[0-9a-f]{32,}$/.test(name);

export interface SurveyOptions extends Call {
  readonly jobs: number;
  /** Read each package's spec, too. */
  readonly specs: boolean;
  /** What this has read is not read again, but where it was written anew. */
  readonly before?: FileSurvey | undefined;
}

/**
 * Reads all manifests of a mirror.
 *
 * Costs: the listing, a request for each manifest, and one for each package where its spec is asked for.
 */
export async function surveyFiles(store: ObjectStore, options: SurveyOptions): Promise<FileSurvey> {
  const { jobs, specs, before, signal, report } = options;
  const call: Call = { signal, report };
  const manifests = new Map<string, StoredManifest>();
  const packages = new Map<DagHash, FiledPackage>();
  const nodes = new Map(before?.nodes);
  const broken = new Map<string, BrokenPackage>();
  const listed: ListedObject[] = [];
  for await (const object of store.objects?.(manifestFolder, call) ?? [])
    if (object.path.endsWith(manifestSuffix)) listed.push(object);
  const knownPackages = new Map([...(before?.packages ?? [])].map(([, one]) => [one.manifest, one]));
  await mapLimited(listed, jobs, async (object) => {
    checkInterrupted(call);
    const known = before?.manifests.get(object.path);
    if (known !== undefined && known.size === object.size && known.writtenAt === object.writtenAt) {
      manifests.set(object.path, known);
      const one = knownPackages.get(known);
      if (one !== undefined) packages.set(one.spec.hash, one);
      const failure = before?.broken.get(object.path);
      if (failure !== undefined) broken.set(object.path, failure);
    } else await look(object);
  });
  return { manifests, packages, nodes, broken };

  async function look(object: ListedObject): Promise<void> {
    const { path } = object;
    const bytes = await readSmall(store, path, call);
    if (bytes === undefined) return;
    const names = new Set(new TextDecoder("latin1").decode(bytes).toLowerCase().match(checksums) ?? []);
    const looked = { ...object, digest: digestOf(bytes), names };
    manifests.set(path, { ...looked, needs: [] });
    if (!path.startsWith(specManifestFolder) || hashOfSpecManifest(path) === undefined) return;
    try {
      const subject = `${store.label}/${path}`;
      const blobs = decodeUrlManifest(await withoutSignature(bytes, { subject }), subject);
      const manifest = { ...looked, needs: blobs.map(({ descriptor }) => blobPath(descriptor.digest)) };
      manifests.set(path, manifest);
      if (specs) await readPackage(manifest, bytes);
    } catch (error) {
      if (!(error instanceof Failure) || (error.kind !== "corrupt" && error.code !== "oci.blob-missing"))
        throw error;
      broken.set(path, { name: path, failure: error.toJSON() });
    }
  }

  async function readPackage(manifest: StoredManifest, bytes: Uint8Array): Promise<void> {
    const { path } = manifest;
    // The manifest has been read already.
    const read: ObjectStore["read"] = async (asked, inner) =>
      asked === path ? bytesOf(bytes) : store.read(asked, inner);
    const entry = await urlCache({ ...store, read }).read(path, call);
    if (entry === undefined) return;
    for (const [hash, node] of entry.graph.nodes) if (!nodes.has(hash)) nodes.set(hash, node);
    packages.set(entry.spec.hash, { spec: entry.spec, pushedAt: manifest.writtenAt, manifest });
  }
}
