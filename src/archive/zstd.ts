import { createHash } from "node:crypto";
import zlib, { type Gzip } from "node:zlib";
import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { ArchiveSummary } from "./gzip.js";
import { openHere } from "./here.js";

/** Whether this Node has zstd: from 22.15 on, and from 23.8. */
export const hasZstd = typeof Reflect.get(zlib, "createZstdCompress") === "function";

/** @param what cannot be done: `layer sha256:… is compressed with zstd` */
export const zstdMissing = (what: string): Failure =>
  new Failure("unsupported", `${what}, which this Node does not have`, {
    code: "archive.zstd-missing",
    hint: "Use Node 22.15 or newer; images are made without looking into layers with --no-check.",
  });

/** Parameters as zstd.h numbers them, for good. */
const parameters = { compressionLevel: 100, checksumFlag: 201, windowLogMax: 100 };

/** What the program zstd demands of memory before it asks: 128 MiB. */
const largestWindowLog = 27;

export interface ZstdOptions extends Call {
  /** 1 to 19. */
  readonly level: number;
  /** Told after each chunk how many more bytes of content are done. */
  readonly advanced?: ((bytes: number) => void) | undefined;
}

/**
 * Compresses content in the calling thread into one frame with a checksum (RFC 8878) and hands its bytes to `write`,
 * in order, each call awaited; they are valid during it. They depend on content, level and version of zstd, not on how the content is cut.
 * @throws Failure `archive.zstd-missing`
 */
export async function zstd(
  content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  write: (bytes: Uint8Array) => void | Promise<void>,
  { level, advanced, ...call }: ZstdOptions,
): Promise<ArchiveSummary> {
  const contentHash = createHash("sha256");
  const hash = createHash("sha256");
  let contentSize = 0;
  let size = 0;
  const { compressionLevel, checksumFlag } = parameters;
  const stream = openStream("createZstdCompress", { [compressionLevel]: level, [checksumFlag]: 1 });
  const compressor = openHere(stream, zstdFlush, (cause) => cause);
  if (compressor === undefined) throw zstdMissing("it takes zstd");
  const emit = async (pieces: Iterable<Uint8Array>): Promise<void> => {
    for (const piece of pieces) {
      hash.update(piece);
      size += piece.byteLength;
      await write(piece);
    }
  };
  try {
    for await (const chunk of content) {
      checkInterrupted(call);
      contentHash.update(chunk);
      contentSize += chunk.byteLength;
      await emit(compressor.pieces(chunk));
      advanced?.(chunk.byteLength);
    }
    await emit(compressor.end());
  } finally {
    compressor.close();
  }
  return {
    digest: `sha256:${hash.digest("hex")}`,
    size,
    diffId: `sha256:${contentHash.digest("hex")}`,
    contentSize,
  };
}

/** ZSTD_e_continue and ZSTD_e_end. */
export const zstdFlush = { more: 0, last: 2 };

/** @throws Failure `archive.zstd-missing` */
export const openUnzstd = (): Gzip =>
  openStream("createZstdDecompress", { [parameters.windowLogMax]: largestWindowLog });

/** zstd's streams are made as zlib's are; the types, those of Node 20, do not know them. */
function openStream(
  name: "createZstdCompress" | "createZstdDecompress",
  params: Readonly<Record<number, number>>,
): Gzip {
  const create: unknown = Reflect.get(zlib, name);
  if (typeof create !== "function") throw zstdMissing("it takes zstd");
  return create({ params });
}
