import { constants, createGunzip } from "node:zlib";
import { Failure } from "../base/failure.js";
import type { CompressionType } from "./compressor.js";
import { openHere, type Transformer } from "./here.js";
import { hasZstd, openUnzstd, zstdFlush, zstdMissing } from "./zstd.js";

/**
 * Reads gzip files and zstd frames, also several, one behind the other (zlib's streams stop after one of zstd's).
 * undefined where this Node does not have what is needed: then a stream has to do.
 */
export function openInflater(type: CompressionType, subject: string): Transformer | undefined {
  const broken = (cause: Error): Failure => invalid(cause, { subject, type });
  return type === "zstd"
    ? openHere(openUnzstd(), zstdFlush, broken)
    : openHere(createGunzip(), { more: constants.Z_NO_FLUSH, last: constants.Z_FINISH }, broken);
}

export function invalid(
  cause: Error,
  { subject, type }: { readonly subject: string; readonly type: CompressionType },
): Failure {
  const message = `cannot inflate ${subject}: ${cause.message}`;
  return type === "zstd"
    ? new Failure("corrupt", message, { code: "archive.zstd-invalid", subject, cause })
    : new Failure("corrupt", message, { code: "archive.gzip-invalid", subject, cause });
}

/** RFC 8878, 3.1.1; frames to be skipped (3.1.2) do not come first. */
const zstdMagic = 0xfd2fb528;

/**
 * How bytes are compressed, by how they begin, and all of them; what is not zstd's is for gunzip to judge.
 * @throws Failure `archive.zstd-missing`
 */
export async function sniff(
  source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  subject: string,
): Promise<{ readonly type: CompressionType; readonly bytes: AsyncIterable<Uint8Array> }> {
  const chunks = (async function* () {
    yield* source;
  })();
  let head: Uint8Array = new Uint8Array(0);
  while (head.byteLength < 4) {
    const { done, value } = await chunks.next();
    if (done === true) break;
    // Longer ones are not copied: they are valid until the next is asked for.
    head = head.byteLength === 0 && value.byteLength >= 4 ? value : Buffer.concat([head, value]);
  }
  const { buffer, byteOffset, byteLength } = head;
  const isZstd = byteLength >= 4 && new DataView(buffer, byteOffset).getUint32(0, true) === zstdMagic;
  if (isZstd && !hasZstd) {
    await chunks.return();
    throw zstdMissing(`${subject} is compressed with zstd`);
  }
  return {
    type: isZstd ? "zstd" : "gzip",
    bytes: (async function* () {
      if (byteLength > 0) yield head;
      yield* chunks;
    })(),
  };
}
