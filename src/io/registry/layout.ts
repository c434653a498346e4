import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { type Bytes, concat } from "../../base/bytes.js";
import { type Call, checkInterrupted } from "../../base/call.js";
import { Failure } from "../../base/failure.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { algorithmOf, type Digest, digestOf, hexOf, isDigest } from "../../oci/digest.js";
import { maxMetadataSize, parseJson } from "../../oci/json.js";
import { decodeLayoutIndex, type ImageIndex, mediaTypeOf, referrerOf } from "../../oci/manifest.js";
import { mediaTypes } from "../../oci/media-types.js";
import { blobMissing } from "../../oci/memory.js";
import { isTag, parseRepositoryName, type RepositoryName, type Tag } from "../../oci/reference.js";
import type { BlobStore, Manifest, ManifestStore, Repository } from "../../oci/repository.js";
import { assertDigest, verified } from "../../oci/verified.js";
import { temporaryPathOf, writeAtomically } from "../disk/atomic.js";
import { diskFailure, systemCodeOf } from "../disk/disk-failure.js";

/** Where a layout keeps the tag of an entry (image-spec 1.1, annotations.md). */
const refName = "org.opencontainers.image.ref.name";

/** Bytes that are read or written at once: each time costs a trip through the thread pool. */
const ioSize = 1024 * 1024;

export interface LayoutOptions {
  /** Makes the layout where there is none. */
  readonly create?: boolean | undefined;
  /** What the repository is called; a layout itself has no name. */
  readonly name?: RepositoryName | undefined;
}

/**
 * An OCI image layout (image-spec 1.1, image-layout.md) as a repository. Files appear whole, and `index.json`
 * last. Writers in one process are safe together; those of several processes are not.
 * @throws Failure `oci.layout-missing`, `oci.layout-unsupported`
 */
export async function openLayout(
  directory: string,
  { create = false, name }: LayoutOptions = {},
): Promise<Repository> {
  const root = resolve(directory);
  const label = `oci:${root}`;
  await prepare(root, { create });
  const pathOf = (digest: Digest): string => join(root, "blobs", algorithmOf(digest), hexOf(digest));
  const index = openIndex(root);

  const blobs: BlobStore = {
    stat: (digest) => sizeOf(pathOf(digest)),
    async *read(descriptor, call): Bytes {
      checkInterrupted(call);
      const path = pathOf(descriptor.digest);
      if ((await sizeOf(path)) === undefined) throw blobMissing(label, descriptor.digest);
      yield* verified(readStream(path), descriptor, path);
    },
    async write(content, call) {
      const path = pathOf(content.descriptor.digest);
      if ((await sizeOf(path)) !== undefined) return "present";
      const bytes = verified(content.open(call), content.descriptor, content.descriptor.digest);
      await writeStream(path, bytes, call);
      return "written";
    },
    delete: (digest) => rm(pathOf(digest), { force: true }),
  };

  async function readManifest(digest: Digest, mediaType: string | undefined): Promise<Manifest | undefined> {
    const path = pathOf(digest);
    const size = await sizeOf(path);
    if (size === undefined) return undefined;
    // A blob that is no manifest may be of any size: it is not read to find that out.
    if (size > maxMetadataSize) return undefined;
    const bytes = await readWhole(path);
    assertDigest(digestOf(bytes, algorithmOf(digest)), digest, path);
    const type = mediaType ?? mediaTypeOf(bytes, path);
    return type === undefined ? undefined : { descriptor: { mediaType: type, digest, size }, bytes };
  }

  const manifests: ManifestStore = {
    async stat(reference, call) {
      return (await manifests.read(reference, call))?.descriptor;
    },
    async read(reference, call) {
      checkInterrupted(call);
      const { manifests: entries } = await index.read();
      const entry = entries.find((each) =>
        isDigest(reference) ? each.digest === reference : each.annotations?.[refName] === reference,
      );
      if (isDigest(reference)) return readManifest(reference, entry?.mediaType);
      if (entry === undefined) return undefined;
      const manifest = await readManifest(entry.digest, entry.mediaType);
      if (manifest !== undefined) return manifest;
      throw new Failure(
        "corrupt",
        `${root} has no manifest ${entry.digest}, which its tag ${reference} names`,
        {
          code: "oci.layout-broken",
          subject: root,
          hint: "Copy the layout again from where it came from.",
        },
      );
    },
    async write(manifest, call) {
      const { digest } = manifest.descriptor;
      assertDigest(digestOf(manifest.bytes, algorithmOf(digest)), digest, label);
      const path = pathOf(digest);
      if ((await sizeOf(path)) === undefined) {
        await mkdir(dirname(path), { recursive: true });
        await writeAtomically(path, manifest.bytes);
      }
      const tag = call?.tag;
      // The entries of index.json are where a reader starts: tags, and what refers to another manifest.
      if (tag !== undefined || referrerOf(manifest) !== undefined)
        await index.update((entries) => withEntry(entries, manifest.descriptor, tag));
    },
    async delete(reference) {
      await index.update((entries) =>
        entries.filter((entry) =>
          isDigest(reference) ? entry.digest !== reference : entry.annotations?.[refName] !== reference,
        ),
      );
      if (isDigest(reference)) await rm(pathOf(reference), { force: true });
    },
  };

  return {
    label,
    registry: label,
    name:
      name ??
      parseRepositoryName(
        basename(root)
          .toLowerCase()
          .replace(/[^a-z0-9]+/g, "-")
          .replace(/^-|-$/g, "") || "layout",
      ),
    blobs,
    manifests,
    async *tags() {
      for (const { annotations } of (await index.read()).manifests) {
        const tag = annotations?.[refName];
        if (tag !== undefined && isTag(tag)) yield tag;
      }
    },
    async referrers(digest, call) {
      const found = new Map<Digest, Descriptor>();
      for (const entry of (await index.read()).manifests) {
        checkInterrupted(call);
        const manifest = await readManifest(entry.digest, entry.mediaType);
        const referrer = manifest === undefined ? undefined : referrerOf(manifest);
        if (referrer?.subject.digest === digest) found.set(entry.digest, referrer.entry);
      }
      const { artifactType } = call ?? {};
      return [...found.values()].filter(
        (entry) => artifactType === undefined || entry.artifactType === artifactType,
      );
    },
  };
}

function withEntry(
  entries: readonly Descriptor[],
  { mediaType, digest, size }: Descriptor,
  tag: Tag | undefined,
): readonly Descriptor[] {
  const entry = {
    mediaType,
    digest,
    size,
    ...(tag === undefined ? {} : { annotations: { [refName]: tag } }),
  };
  if (tag === undefined)
    return entries.some((each) => each.digest === digest) ? entries : [...entries, entry];
  return [...entries.filter((each) => each.annotations?.[refName] !== tag), entry];
}

interface LayoutIndex {
  read(): Promise<ImageIndex>;
  update(change: (entries: readonly Descriptor[]) => readonly Descriptor[]): Promise<void>;
}

/** Changes that come together are written together: an index of thousands of tags is a large file. */
function openIndex(root: string): LayoutIndex {
  const path = join(root, "index.json");
  let waiting: ((entries: readonly Descriptor[]) => readonly Descriptor[])[] = [];
  let next: Promise<void> | undefined;
  let last: Promise<unknown> = Promise.resolve();

  const read = async (): Promise<ImageIndex> => {
    if ((await sizeOf(path)) === undefined)
      throw new Failure("corrupt", `${root} is no whole OCI image layout: it has no index.json`, {
        code: "oci.layout-broken",
        subject: root,
        hint: "Copy the layout again from where it came from.",
      });
    return decodeLayoutIndex(await readWhole(path), path);
  };
  async function flush(): Promise<void> {
    const changes = waiting;
    waiting = [];
    next = undefined;
    const index = await read();
    const manifests = changes.reduce((entries, change) => change(entries), index.manifests);
    await writeAtomically(path, JSON.stringify({ ...index, manifests }), { sync: true });
  }
  return {
    read,
    update(change) {
      waiting.push(change);
      // One write at a time, whether the one before it went well or not: that one's callers know.
      next ??= last.then(flush, flush);
      last = next;
      return next;
    },
  };
}

async function prepare(root: string, { create }: { create: boolean }): Promise<void> {
  const marker = join(root, "oci-layout");
  if ((await sizeOf(marker)) === undefined) {
    if (!create)
      throw new Failure("not-found", `${root} is no OCI image layout: it has no file oci-layout`, {
        code: "oci.layout-missing",
        subject: root,
        hint: "Name the folder that holds oci-layout and index.json.",
      });
    await mkdir(join(root, "blobs", "sha256"), { recursive: true });
    await writeAtomically(
      join(root, "index.json"),
      JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] }),
    );
    await writeAtomically(marker, '{"imageLayoutVersion":"1.0.0"}');
    return;
  }
  const json = parseJson(await readWhole(marker), marker);
  const version =
    typeof json === "object" && json !== null && "imageLayoutVersion" in json
      ? json.imageLayoutVersion
      : undefined;
  if (version !== "1.0.0")
    throw new Failure("unsupported", `${root} is an OCI layout of version ${String(version)}, not 1.0.0`, {
      code: "oci.layout-unsupported",
      subject: root,
    });
}

/** The size of a file; undefined where there is none. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw diskFailure(error, { doing: "read", path });
  }
}

async function readWhole(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw diskFailure(error, { doing: "read", path });
  }
}

async function* readStream(path: string): Bytes {
  try {
    yield* createReadStream(path, { highWaterMark: ioSize });
  } catch (error) {
    throw diskFailure(error, { doing: "read", path });
  }
}

async function writeStream(path: string, bytes: Bytes, call: Call | undefined): Promise<void> {
  const temporary = temporaryPathOf(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(temporary, "wx");
    let writing: Promise<void> | undefined;
    try {
      // While some are written, the next are on their way.
      for await (const chunks of gathered(bytes)) {
        checkInterrupted(call);
        await writing;
        writing = writeAll(file, chunks);
        // One that fails is met where it is awaited.
        writing.catch(() => {});
      }
      await writing;
    } finally {
      await writing?.catch(() => {});
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskFailure(error, { doing: "write", path });
  }
}

async function writeAll(file: FileHandle, chunks: Uint8Array[]): Promise<void> {
  const { bytesWritten } = await file.writev(chunks);
  // A system may take less than it was given; writeFile goes on until all is written, or says why not.
  if (bytesWritten < sizeOfAll(chunks)) await file.writeFile(concat(chunks).subarray(bytesWritten));
}

const sizeOfAll = (chunks: readonly Uint8Array[]): number =>
  chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);

/** Chunks by the megabyte. */
async function* gathered(bytes: Bytes): AsyncGenerator<Uint8Array[]> {
  let chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size < ioSize) continue;
    yield chunks;
    chunks = [];
    size = 0;
  }
  if (chunks.length > 0) yield chunks;
}
