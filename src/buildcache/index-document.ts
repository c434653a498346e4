import { concat, textOf, utf8 } from "../base/bytes.js";
import { isObject, type JsonObject } from "../base/decode.js";
import { Failure } from "../base/failure.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import { type DagHash, isDagHash } from "../spec/dag-hash.js";
import { decodeNode } from "../spec/node.js";
import { currentNode } from "./index-node.js";

/** A node as the index holds it: JSON with its key order, so that its hash can be computed again. */
export type IndexNode = JsonObject;

/**
 * The index of a build cache: the packages that are in it, and what they depend on.
 * Nodes stay undecoded until someone asks: an index may hold 10,000s of them.
 */
export interface BuildcacheIndex {
  /** All nodes; those of packages that are only somebody's dependency among them. */
  readonly nodes: ReadonlyMap<DagHash, IndexNode>;
  /** The packages that the build cache has. */
  readonly present: ReadonlySet<DagHash>;
}

export const emptyIndex: BuildcacheIndex = { nodes: new Map(), present: new Set() };

/** Largest index that is read (bytes). 153,000 packages make about 200 MB. */
export const indexLimit = 1024 * 1024 * 1024;

export const indexBroken = (subject: string, found: string, cause?: unknown): Failure =>
  new Failure("corrupt", `the index of ${subject} cannot be read: ${found}`, {
    code: "buildcache.index-broken",
    subject,
    hint: "Run `stowage buildcache update-index --full MIRROR` to build it again from the packages.",
    cause,
  });

/** Database versions that are read, with the format of their nodes (Spack's `database.py`). */
const nodeFormats: Readonly<Record<string, number>> = { "5": 2, "6": 3, "7": 4, "8": 5 };

/**
 * Decodes the JSON of an index; nodes of older formats come out in the current one, with the hashes they had.
 * @throws Failure `buildcache.index-broken`
 */
export function decodeIndex(bytes: Uint8Array, { subject }: { subject: string }): BuildcacheIndex {
  const broken = (found: string, cause?: unknown): Failure => indexBroken(subject, found, cause);
  let document: unknown;
  try {
    document = JSON.parse(textOf(bytes) ?? "");
  } catch (cause) {
    throw broken("it is not JSON", cause);
  }
  const database = isObject(document) ? document["database"] : undefined;
  const installs = isObject(database) ? database["installs"] : undefined;
  if (!isObject(database) || !isObject(installs)) throw broken("it holds no database");
  const format = nodeFormats[String(database["version"])];
  if (format === undefined) throw broken(`it is of database version ${JSON.stringify(database["version"])}`);
  const nodes = new Map<DagHash, IndexNode>();
  const present = new Set<DagHash>();
  for (const [hash, record] of Object.entries(installs)) {
    const node = isObject(record) ? record["spec"] : undefined;
    if (!isDagHash(hash) || !isObject(record) || !isObject(node))
      throw broken(`its entry ${hash} has no spec`);
    nodes.set(hash, format === 5 ? node : currentNode(node, format));
    if (record["in_buildcache"] === true) present.add(hash);
  }
  return { nodes, present };
}

/**
 * What a node depends on, by edge types of the index (`build`, `link`, `run`; test edges are not counted). What is no
 * hash may be among them: it names no node.
 */
function dependencyHashes({ dependencies }: IndexNode): DagHash[] {
  const hashes: DagHash[] = [];
  if (Array.isArray(dependencies)) for (const edge of dependencies) hashes.push(edge?.hash);
  return hashes;
}

/** Keeps the packages of `present` and what they depend on; nodes that nobody needs any more are gone. */
export function restrictIndex(
  nodes: ReadonlyMap<DagHash, IndexNode>,
  present: ReadonlySet<DagHash>,
): BuildcacheIndex {
  const kept = new Map<DagHash, IndexNode>();
  const needed = new Set(present);
  // A set that grows while it is walked is walked to its end.
  for (const hash of needed) {
    const node = nodes.get(hash);
    if (node === undefined) continue;
    kept.set(hash, node);
    for (const other of dependencyHashes(node)) needed.add(other);
  }
  return { nodes: kept, present: new Set([...present].filter((hash) => kept.has(hash))) };
}

/** Entries that are written at once: each call costs, and no text may be as long as an index. */
const partLength = 500;

/**
 * The bytes of an index: a database of version 8, as Spack 1.x reads it. Entries are sorted by hash, so that
 * two writers who know the same packages write the same bytes.
 */
export function encodeIndex({ nodes, present }: BuildcacheIndex): Uint8Array {
  const refCounts = new Map<DagHash, number>();
  for (const node of nodes.values())
    for (const hash of dependencyHashes(node)) refCounts.set(hash, (refCounts.get(hash) ?? 0) + 1);
  const hashes = [...nodes.keys()].sort();
  const parts = [utf8('{"database":{"version":"8","installs":{')];
  for (let at = 0; at < hashes.length; at += partLength) {
    // No hash is short enough to be taken for an index and moved to the front.
    const part: Record<DagHash, unknown> = {};
    for (const hash of hashes.slice(at, at + partLength))
      part[hash] = {
        spec: nodes.get(hash),
        ref_count: refCounts.get(hash) ?? 0,
        in_buildcache: present.has(hash),
      };
    parts.push(utf8(`${at === 0 ? "" : ","}${JSON.stringify(part).slice(1, -1)}`));
  }
  parts.push(utf8("}}}"));
  return concat(parts);
}

/** The index as a graph of decoded specs. */
export function graphOfIndex(index: BuildcacheIndex, { subject }: { subject: string }): SpecGraph {
  const nodes = new Map<DagHash, ConcreteSpec>();
  for (const [hash, node] of index.nodes)
    nodes.set(hash, decodeNode(node, { subject, code: "buildcache.index-broken", path: hash }));
  return { roots: [...index.present], nodes, format: 5 };
}
