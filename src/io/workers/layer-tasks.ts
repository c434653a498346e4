import { createHash } from "node:crypto";
import { closeSync, createReadStream, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { inflate } from "../../archive/gunzip.js";
import { type ArchiveSummary, gzip } from "../../archive/gzip.js";
import { createTarReader } from "../../archive/tar-reader.js";
import { Failure } from "../../base/failure.js";
import { mergeArchives } from "../../image/layer-merge.js";
import { createLayerScanner, type LayerScan, type Scratch } from "../../image/layer-scan.js";
import { systemFiles } from "../system/files.js";
import type { TaskContext } from "./task.js";

/** A layer in a file. */
export interface LayerFile {
  readonly path: string;
  /** For messages. */
  readonly subject: string;
  readonly diffId: string;
}

export interface ScanInput extends LayerFile {
  /** A file that the task may fill, new; it is removed in the end. */
  readonly scratch: string;
}

/** Looks through a layer, whose digest is checked. */
export async function scanTask(input: ScanInput, context: TaskContext): Promise<LayerScan> {
  using scratch = openScratch(input.scratch);
  const scanner = createLayerScanner(scratch);
  const reader = createTarReader(scanner, input.subject);
  for await (const chunk of uncompressed(input, context)) reader.push(chunk);
  reader.end();
  return scanner.result();
}

export interface MergeInput {
  readonly layers: readonly LayerFile[];
  /** The file to write, new. It is removed again if the task fails. */
  readonly out: string;
}

/** Merges layers, whose digests are checked, into one. */
export async function mergeTask({ layers, out }: MergeInput, context: TaskContext): Promise<ArchiveSummary> {
  const file = systemFiles.create(out, 0o600);
  try {
    const archives = layers.map((layer) => ({
      subject: layer.subject,
      content: uncompressed(layer, context),
    }));
    return await gzip(mergeArchives(archives), file.write, context);
  } catch (error) {
    systemFiles.remove(out);
    throw error;
  } finally {
    file.close();
  }
}

/** Chunks of this size (bytes) are read at once. */
const readSize = 256 * 1024;

/** The tar of a layer, however it is compressed. @throws Failure `image.layer-corrupt`, `archive.*` */
async function* uncompressed(
  { path, subject, diffId }: LayerFile,
  { signal }: TaskContext,
): AsyncGenerator<Uint8Array> {
  const found = yield* contentOf(path, { subject, signal });
  if (found === diffId) return;
  throw new Failure("corrupt", `${subject} holds ${found}, not ${diffId}`, {
    code: "image.layer-corrupt",
    subject,
    hint: "Run it again; if it stays so, the registry's copy is damaged.",
  });
}

/** @returns digest of the content */
async function* contentOf(
  path: string,
  { subject, signal }: { subject: string; signal: AbortSignal },
): AsyncGenerator<Uint8Array, string> {
  const magic = Buffer.alloc(4);
  const file = openSync(path, "r");
  try {
    readSync(file, magic, 0, 4, 0);
  } finally {
    closeSync(file);
  }
  const stream = createReadStream(path, { highWaterMark: readSize });
  if (magic.readUInt16BE() === 0x1f8b || magic.readUInt32BE() === 0x28b52ffd)
    return (yield* inflate(stream, { subject, signal })).diffId;
  const hash = createHash("sha256");
  for await (const chunk of stream) {
    hash.update(chunk);
    yield chunk;
  }
  return `sha256:${hash.digest("hex")}`;
}

/** A file as scratch; what is in it last is read by place. */
function openScratch(path: string): Scratch & Disposable {
  const file = openSync(path, "wx+", 0o600);
  let size = 0;
  return {
    begin() {
      ftruncateSync(file);
      size = 0;
    },
    write(chunk) {
      for (let at = 0; at < chunk.byteLength; )
        at += writeSync(file, chunk, at, chunk.byteLength - at, size + at);
      size += chunk.byteLength;
    },
    source: {
      get size() {
        return size;
      },
      read(offset, length) {
        const buffer = Buffer.alloc(Math.max(0, Math.min(length, size - offset)));
        let filled = 0;
        while (filled < buffer.byteLength) {
          const count = readSync(file, buffer, filled, buffer.byteLength - filled, offset + filled);
          if (count === 0) break;
          filled += count;
        }
        return buffer.subarray(0, filled);
      },
    },
    [Symbol.dispose]() {
      closeSync(file);
      systemFiles.remove(path);
    },
  };
}
