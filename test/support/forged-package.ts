import { gzipSync } from "node:zlib";
import { encodeBinaryDistribution } from "../../src/archive/binary-distribution.js";
import { utf8 } from "../../src/base/bytes.js";
import type { EntryRequest } from "../../src/buildcache/source.js";
import { packageTag } from "../../src/buildcache/tag.js";
import { contentOf } from "../../src/oci/content.js";
import { digestOf } from "../../src/oci/digest.js";
import { mediaTypes } from "../../src/oci/media-types.js";
import { createMemoryRegistry } from "../../src/oci/memory.js";
import { parseRepositoryName } from "../../src/oci/reference.js";
import type { Manifest, Repository } from "../../src/oci/repository.js";
import type { ConcreteSpec } from "../../src/spec/concrete-spec.js";
import { isDagHash } from "../../src/spec/dag-hash.js";
import { dagHashOf } from "../../src/spec/hash-check.js";
import { endMark, entryBytes, type ForgedEntry } from "./archives.js";

/** A document that a case may change as it likes. */
// biome-ignore lint/suspicious/noExplicitAny: hostile documents have no type
export type Forged = any;

/** What is changed on the way from a right package to a hostile one. */
export interface Forgery {
  /** Nodes of the spec; their hashes are made right again, so that it is something else that is refused. */
  readonly spec?: (nodes: Forged[]) => void;
  readonly keepHashes?: boolean;
  /** The config's keys, after that. */
  readonly config?: (config: Forged) => unknown;
  readonly configBytes?: (bytes: Buffer) => Uint8Array;
  readonly manifest?: (manifest: Forged) => unknown;
  readonly manifestBytes?: (bytes: Buffer) => Uint8Array;
  readonly mediaType?: string;
  /** What is in the archive, between the prefix and its metadata; names are below the prefix. */
  readonly entries?: (prefix: string) => readonly ForgedEntry[];
  /** The archive's last entry. */
  readonly metadata?: (metadata: Distribution) => Distribution | string;
  readonly layer?: (gzip: Buffer) => Uint8Array;
}

type Distribution = Parameters<typeof encodeBinaryDistribution>[0];

const oldRoot = "/opt/store";
const prefixOf = ({ name, version, hash }: ConcreteSpec): string =>
  `linux-x86_64_v3/${name}-${version}-${hash}`;

export function layerOf(
  spec: ConcreteSpec,
  { entries, metadata, layer = (bytes) => bytes }: Forgery,
): Uint8Array {
  const prefix = `${oldRoot}/${prefixOf(spec)}`.slice(1);
  const told: Distribution = {
    sbangInstallPath: `${oldRoot}/bin/sbang`,
    buildPath: oldRoot,
    spackPrefix: "/opt/spack",
    relativePrefix: prefixOf(spec),
    hardlinksDeduped: true,
    hashToPrefix: new Map([[spec.hash, `/${prefix}`]]),
    relocateBinaries: [],
    relocateLinks: [],
    relocateTextFiles: [],
  };
  const last = metadata?.(told) ?? told;
  const parts = prefix.split("/");
  const all: ForgedEntry[] = [
    ...parts.map((_, i): ForgedEntry => {
      return { type: "directory", name: `${parts.slice(0, i + 1).join("/")}/`, mode: 0o755 };
    }),
    ...(entries?.(prefix) ?? [{ name: `${prefix}/README`, content: "hello" }]),
    {
      name: `${prefix}/.spack/binary_distribution`,
      content:
        typeof last === "string" ? last : Buffer.from(encodeBinaryDistribution(last)).toString("latin1"),
    },
  ];
  return layer(gzipSync(Buffer.concat([...all.map(entryBytes), endMark])));
}

/** Puts a package into a mirror as a push would, but for what is forged. */
export async function offer(
  { repository, manifests }: HostileMirror,
  specs: readonly ConcreteSpec[],
  forgery: Forgery,
): Promise<EntryRequest> {
  const [spec] = specs;
  if (spec === undefined) throw new Error("no spec");
  const layer = contentOf(layerOf(spec, forgery), mediaTypes.ociLayerGzip);
  const nodes: Forged[] = specs.map(({ node }) => structuredClone(node));
  forgery.spec?.(nodes);
  if (forgery.spec !== undefined && forgery.keepHashes !== true) rehash(nodes);
  const config: Forged = {
    architecture: "amd64",
    os: "linux",
    config: { Env: ["PATH=/bin"] },
    rootfs: { type: "layers", diff_ids: [digestOf(utf8(`tar of ${spec.hash}`))] },
    spec: { _meta: { version: 5 }, nodes },
    buildcache_layout_version: 2,
    binary_cache_checksum: {
      hash_algorithm: "sha256",
      hash: layer.descriptor.digest.slice("sha256:".length),
    },
  };
  const configJson = Buffer.from(JSON.stringify(changed(config, forgery.config)));
  const configBlob = contentOf(forgery.configBytes?.(configJson) ?? configJson, mediaTypes.ociConfig);
  await repository.blobs.write(layer);
  await repository.blobs.write(configBlob);
  const manifest: Forged = { schemaVersion: 2, config: configBlob.descriptor, layers: [layer.descriptor] };
  const manifestJson = Buffer.from(JSON.stringify(changed(manifest, forgery.manifest)));
  const bytes = forgery.manifestBytes?.(manifestJson) ?? manifestJson;
  const { mediaType = mediaTypes.ociManifest } = forgery;
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
  const { name, version, hash } = { ...spec, ...nodes[0] };
  const request =
    [name, version].every((text) => typeof text === "string") && isDagHash(String(hash))
      ? { name, version, hash }
      : spec;
  manifests.set(packageTag(request), { descriptor, bytes });
  return request;
}

/** The document as a case wants it: what the change returns, or what it did to what it got. */
function changed(document: Forged, change: ((document: Forged) => unknown) | undefined): unknown {
  const returned = change?.(document);
  return returned === undefined ? document : returned;
}

/** Gives nodes the hashes that they now have, dependencies (which come last) first. */
function rehash(nodes: readonly Forged[]): void {
  const hashes = new Map<unknown, unknown>();
  for (const node of nodes.toReversed()) {
    if (typeof node !== "object" || node === null) continue;
    for (const edge of Array.isArray(node.dependencies) ? node.dependencies : [])
      if (typeof edge === "object" && hashes.has(edge?.hash)) edge.hash = hashes.get(edge.hash);
    const before = node.hash;
    node.hash = dagHashOf(node, 5);
    hashes.set(before, node.hash);
  }
}

/** A mirror that answers what it was told to: a registry of ours would not take all of it. */
export interface HostileMirror {
  readonly repository: Repository;
  readonly manifests: Map<string, Manifest>;
}

export function hostileMirror(): HostileMirror {
  const inner = createMemoryRegistry().repository(parseRepositoryName("hostile"));
  const manifests = new Map<string, Manifest>();
  const read = async (reference: string) => manifests.get(reference);
  return { repository: { ...inner, manifests: { ...inner.manifests, read } }, manifests };
}
