import { type Call, checkInterrupted } from "../base/call.js";
import type { Clock, Random } from "../base/clock.js";
import { Failure, type FailureDocument } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import type { Digest } from "../oci/digest.js";
import { RegistryFailure } from "../oci/errors.js";
import type { DagHash } from "../spec/dag-hash.js";
import { isHashKnown } from "../spec/hash-check.js";
import type { BuildCache, FoundPackage, StoredIndex } from "./build-cache.js";
import {
  type BuildcacheIndex,
  emptyIndex,
  encodeIndex,
  type IndexNode,
  restrictIndex,
} from "./index-document.js";
import { currentNode } from "./index-node.js";

/** Times that the index is written before giving up: each is lost only to a writer who came in between. */
const maxWrites = 12;

/** Packages whose manifests are held in memory together. */
const readTogether = 2000;

/** What should be a package and is not. It is left out of the index, and reported. */
export interface BrokenPackage {
  /** Its tag, or the path of its file. */
  readonly name: string;
  readonly failure: FailureDocument;
}

export interface IndexResult {
  /** Packages in the index now. */
  readonly packages: number;
  readonly added: number;
  readonly dropped: number;
  readonly broken: readonly BrokenPackage[];
  /** Whether it was written; false where it was right already. */
  readonly written: boolean;
  readonly digest: Digest | undefined;
  readonly bytes: number;
}

export interface UpdateIndexOptions extends Call {
  readonly clock: Clock;
  readonly random: Random;
  /** Look at every package again instead of trusting the old index for those it knows. */
  readonly full?: boolean | undefined;
  /** Packages read at once. */
  readonly jobs?: number | undefined;
}

/**
 * Makes the index say what packages there are.
 *
 * The index is a function of the packages; the old one only saves reading what is known. After each write they
 * are listed again, and the write repeated until nothing was missed: whoever writes last has therefore listed
 * all of them after the last write of anybody else, so that no package is lost (docs/index.md).
 *
 * Costs: the listing and the old index, one request for each new package, one for each whose spec no other new one tells,
 * and one write.
 */
export async function updateIndex(cache: BuildCache, options: UpdateIndexOptions): Promise<IndexResult> {
  const { clock, random, full = false, jobs = 16, signal, report } = options;
  const call: Call = { signal, report };
  const task = { id: "index", verb: "index", subject: cache.label } as const;
  report?.({ type: "started", task });

  const told = new Set<string>();
  const broken = new Map<DagHash, BrokenPackage>();
  const [old, listed] = await Promise.all([readOldIndex(cache, { full, call }), cache.packages(call)]);
  const nodes = new Map(old?.index.nodes);
  const read = new Set(full ? [] : old?.index.present);
  let stored = listed;
  let digest = old?.state;
  let current = old?.index ?? emptyIndex;
  let bytes = 0;
  let writes = 0;
  /** Whether `current` may be other than what the packages in it make it. */
  let foreign = true;
  let rewrite = full || old?.unreadable === true;
  let rested = true;
  for (;;) {
    checkInterrupted(call);
    const unread = [...stored].filter(([hash]) => !read.has(hash) && !broken.has(hash));
    await readPackages(cache, unread, {
      jobs,
      call,
      told,
      keep: (node, hash) => nodes.set(hash, node),
      done(hash, found) {
        if (found === "read") read.add(hash);
        else broken.set(hash, found);
      },
    });
    const present = new Set([...stored.keys()].filter((hash) => read.has(hash)));
    if (!foreign && sameKeys(current.present, present)) break;
    const next = restrictIndex(nodes, present);
    if (digest !== undefined && sameIndex(current, next) && !rewrite) break;
    if (rested) {
      if (writes === maxWrites) throw contended(cache);
      const encoded = encodeIndex(next);
      bytes = encoded.byteLength;
      digest = await cache.index.write(encoded, call);
      current = next;
      writes += 1;
      foreign = rewrite = rested = false;
    } else {
      // Writers who collided once would collide again in step. After a random pause, one of them may have done it all.
      rested = true;
      await clock.sleep(random() * 100 * 2 ** Math.min(writes, 6), signal);
    }
    const [now, state] = await Promise.all([cache.packages(call), cache.index.state(call)]);
    stored = now;
    if (state === digest) continue;
    // Somebody else wrote since; what they know need not be read again, and may be all there is to know.
    const theirs = await readOldIndex(cache, { full: true, call });
    current = theirs?.index ?? emptyIndex;
    digest = theirs?.state;
    foreign = true;
    if (!full) for (const [hash, node] of current.nodes) nodes.set(hash, node);
    if (!full) for (const hash of current.present) read.add(hash);
  }
  const before = old?.index.present ?? new Set();
  report?.({ type: "finished", task, outcome: `${current.present.size} packages` });
  return {
    packages: current.present.size,
    added: [...current.present].filter((hash) => !before.has(hash)).length,
    dropped: [...before].filter((hash) => !current.present.has(hash)).length,
    broken: [...broken.values()],
    written: writes > 0,
    digest,
    bytes,
  };
}

/** The old index where it can be used; one that cannot be read is reported and built anew. */
async function readOldIndex(
  cache: BuildCache,
  { full, call }: { full: boolean; call: Call },
): Promise<StoredIndex | undefined> {
  try {
    return await cache.index.read(call);
  } catch (error) {
    if (!(error instanceof Failure) || error.kind !== "corrupt") throw error;
    if (!full)
      call.report?.({ type: "note", level: "warning", message: `${error.message}; building it anew` });
    return undefined;
  }
}

const contended = ({ label }: BuildCache): Failure =>
  new Failure(
    "unavailable",
    `the index of ${label} was replaced by others ${maxWrites} times while it was written`,
    {
      code: "buildcache.index-contended",
      subject: label,
      hint: "Run `stowage buildcache update-index` again when fewer others push.",
    },
  );

interface Reading {
  readonly jobs: number;
  readonly call: Call;
  /** Names of packages whose spec is known, its hash checked: their own or another's config told it. */
  readonly told: Set<string>;
  readonly keep: (node: IndexNode, hash: DagHash) => void;
  readonly done: (hash: DagHash, found: "read" | BrokenPackage) => void;
}

/**
 * Reads the manifest of each package, and its spec where no other's told it: a config tells of the whole closure, so the
 * largest are read first, and few are left. What vanished since it was listed is passed over.
 */
async function readPackages(
  cache: BuildCache,
  unread: readonly (readonly [DagHash, string])[],
  { jobs, call, told, keep, done }: Reading,
): Promise<void> {
  for (let at = 0; at < unread.length; at += readTogether) {
    const found: { hash: DagHash; name: string; one: FoundPackage }[] = [];
    await mapLimited(unread.slice(at, at + readTogether), jobs, ([hash, name]) =>
      attempt({ hash, name }, async () => {
        const one = await cache.find(name, call);
        if (one !== undefined) found.push({ hash, name, one });
      }),
    );
    found.sort((a, b) => b.one.metadataSize - a.one.metadataSize);
    // Those that are read at once cannot spare each other's reading.
    const atOnce = Math.min(jobs, Math.ceil(found.length / 3));
    await mapLimited(found, atOnce, ({ hash, name, one }) =>
      attempt({ hash, name }, async (again) => {
        if (!told.has(name)) {
          const entry = await (again ? cache.read(name, call) : one.read(call));
          if (entry === undefined) return;
          const { graph } = entry;
          for (const [key, spec] of graph.nodes) {
            keep(currentNode(spec.node, graph.format), key);
            if (isHashKnown(spec.node, graph.format)) for (const other of cache.names(spec)) told.add(other);
          }
        }
        done(hash, "read");
      }),
    );
  }

  async function attempt(
    { hash, name }: { readonly hash: DagHash; readonly name: string },
    work: (again: boolean) => Promise<void>,
  ): Promise<void> {
    for (let again = false; ; again = true) {
      try {
        return await work(again);
      } catch (error) {
        if (!(error instanceof Failure) || !isOfThePackage(error)) throw error;
        // What came damaged may have been so on its way: it is asked for once more.
        if (!again && error.kind === "corrupt") continue;
        done(hash, { name, failure: error.toJSON() });
        call.report?.({ type: "note", level: "warning", message: `left out ${name}: ${error.message}` });
        return;
      }
    }
  }
}

/** Whether the package itself is to blame; a registry that refuses or cannot be reached is no broken package. */
function isOfThePackage(error: Failure): boolean {
  if (error.code === "oci.blob-missing" || error.kind === "corrupt") return true;
  return error.kind === "unsupported" && !(error instanceof RegistryFailure);
}

const sameIndex = (a: BuildcacheIndex, b: BuildcacheIndex): boolean =>
  sameKeys(a.present, b.present) && sameKeys(a.nodes, b.nodes);

function sameKeys<T>(
  a: ReadonlySet<T> | ReadonlyMap<T, unknown>,
  b: ReadonlySet<T> | ReadonlyMap<T, unknown>,
): boolean {
  if (a.size !== b.size) return false;
  for (const key of a.keys()) if (!b.has(key)) return false;
  return true;
}
