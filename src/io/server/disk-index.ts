import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { algorithmOf, type Digest, digestOf } from "../../oci/digest.js";
import { decodeLayoutIndex } from "../../oci/manifest.js";
import { mediaTypes } from "../../oci/media-types.js";
import { isTag, type Tag } from "../../oci/reference.js";
import { type Change, type Contents, createContents, type ManifestEntry } from "../../server/contents.js";
import { readManifest } from "../../server/manifest.js";
import { syncDirectory, writeAtomically } from "../disk/atomic.js";
import { openJournal, readJournal } from "./journal.js";
import { blobPathOf } from "./root.js";

/**
 * A layout's index. Rewriting index.json for each of n tags costs O(n²), so a change is committed by a line at
 * the end of a journal, all changes that wait by one sync, and index.json is written when there is time, at the
 * latest when the registry stops. What is true is index.json with the journal's changes applied.
 */
export interface DiskIndex {
  readonly contents: Contents;
  /** Resolves when the change, and every file that was there before it, is on disk; then it is applied. */
  commit(change: Change): Promise<void>;
  /** Brings index.json up to date. */
  flush(): Promise<void>;
}

/** Where a layout keeps the tag of an entry (image-spec 1.1, annotations.md). */
const refName = "org.opencontainers.image.ref.name";

/** index.json follows a change after this many milliseconds … */
const shortestWait = 50;
/** … and its writing takes at most about a tenth of the time. */
const idleShare = 10;

export function openDiskIndex(
  directory: string,
  { repair = false, onError }: { repair?: boolean | undefined; onError: (error: unknown) => void },
): DiskIndex {
  const path = join(directory, "_journal");
  const { changes, size } = readJournal(path);
  const contents = createContents();
  for (const change of [...changesInIndex(directory), ...changes]) contents.apply(change);
  const problems = checkManifests(directory, contents);
  for (const problem of problems) onError(problem);
  let outdated = repair && problems.length > 0;
  const journal = openJournal(path, { size });

  let waiting: { change: Change; done: () => void; failed: (error: unknown) => void }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let wait = shortestWait;
  // One thing after the other: changes are applied in the order of their lines.
  let last: Promise<void> = Promise.resolve();
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    last = last.catch(() => undefined).then(work);
    return last;
  };

  async function append(): Promise<void> {
    const batch = waiting;
    waiting = [];
    try {
      // The names of the blobs and manifests that the changes are about have to last, too.
      await syncDirectory(join(directory, "blobs/sha256"));
      await journal.append(batch.map(({ change }) => change));
    } catch (error) {
      for (const { failed } of batch) failed(error);
      return;
    }
    for (const { change, done } of batch) {
      contents.apply(change);
      done();
    }
    timer ??= setTimeout(() => void inTurn(write).catch(onError), wait).unref();
  }

  async function write(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    if (journal.isEmpty() && !outdated) return;
    const started = performance.now();
    await writeAtomically(join(directory, "index.json"), encodeIndex(contents), { sync: true });
    // A crash before this is no harm: applying the journal's changes once more changes nothing.
    journal.remove();
    outdated = false;
    wait = Math.max(shortestWait, idleShare * (performance.now() - started));
  }

  return {
    contents,
    commit: (change) =>
      new Promise((done, failed) => {
        waiting.push({ change, done, failed });
        if (waiting.length === 1) void inTurn(append);
      }),
    flush: () => inTurn(write),
  };
}

/** What index.json says, as changes to nothing. */
function changesInIndex(directory: string): readonly Change[] {
  const path = join(directory, "index.json");
  if (!existsSync(path)) return [];
  return decodeLayoutIndex(readFileSync(path), path).manifests.map((entry) => {
    const { mediaType, digest, size } = entry;
    const tag = entry.annotations?.[refName];
    return {
      type: "put",
      manifest: { mediaType, digest, size },
      tags: tag !== undefined && isTag(tag) ? [tag] : [],
    };
  });
}

/**
 * The check at the start: takes out the manifests that are not there as they should be, and learns the subjects
 * of the others, which index.json does not have. Reading 20,000 of them takes about a second.
 */
function checkManifests(directory: string, contents: Contents): readonly Error[] {
  const problems: Error[] = [];
  for (const manifest of [...contents.manifests.values()]) {
    const path = blobPathOf(directory, manifest.digest);
    const bytes = existsSync(path) ? readFileSync(path) : undefined;
    if (bytes !== undefined && digestOf(bytes, algorithmOf(manifest.digest)) === manifest.digest)
      contents.apply({
        type: "put",
        manifest: { ...manifest, subject: subjectOf(bytes, manifest) },
        tags: [],
      });
    else {
      contents.apply({ type: "delete", digest: manifest.digest });
      problems.push(
        new Error(`${path} is ${bytes === undefined ? "missing" : "broken"}; its tags are dropped`),
      );
    }
  }
  return problems;
}

function subjectOf(bytes: Uint8Array, { mediaType }: ManifestEntry): Digest | undefined {
  try {
    return readManifest(bytes, mediaType).subject;
  } catch {
    // Not pushed to this registry, which would have refused it: served as it is, it refers to nothing.
    return undefined;
  }
}

function encodeIndex({ manifests, tags }: Contents): string {
  const tagged = new Set(tags.values());
  const entry = ({ mediaType, digest, size }: ManifestEntry, tag?: Tag) => ({
    mediaType,
    digest,
    size,
    ...(tag === undefined ? {} : { annotations: { [refName]: tag } }),
  });
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: [
      ...[...tags].flatMap(([tag, digest]) => {
        const manifest = manifests.get(digest);
        return manifest === undefined ? [] : [entry(manifest, tag)];
      }),
      ...[...manifests.values()]
        .filter(({ digest }) => !tagged.has(digest))
        .map((manifest) => entry(manifest)),
    ],
  });
}
