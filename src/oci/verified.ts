import type { Bytes } from "../base/bytes.js";
import { Failure } from "../base/failure.js";
import type { Descriptor } from "./descriptor.js";
import { algorithmOf, createDigester, type Digest } from "./digest.js";

export function corrupt(subject: string, found: string, cause?: unknown): Failure {
  return new Failure("corrupt", `${subject} ${found}`, {
    code: "oci.blob-corrupt",
    subject,
    hint: "Try again; if it stays so, what is stored there is damaged: push it again with --force.",
    cause,
  });
}

/** Streams that check themselves, and for which digest: a second check would cost as much as the transfer. */
const checked = new WeakMap<Bytes, Digest>();

/**
 * The same bytes, checked on the way: the stream fails at the first byte too many, and at its end where size
 * or digest are not as promised. Nothing read from it is to be trusted before it has ended.
 * @param subject what the bytes are, for the message
 * @throws Failure `oci.blob-corrupt`
 */
export function verified(
  bytes: Bytes,
  promised: Pick<Descriptor, "digest" | "size">,
  subject: string,
): Bytes {
  if (checked.get(bytes) === promised.digest) return bytes;
  const result = check(bytes, promised, subject);
  checked.set(result, promised.digest);
  return result;
}

/** The same bytes, each chunk shown to `see` on its way: as good as those that it is given. */
export function observed(bytes: Bytes, see: (chunk: Uint8Array) => void): Bytes {
  const result = show(bytes, see);
  const digest = checked.get(bytes);
  if (digest !== undefined) checked.set(result, digest);
  return result;
}

async function* show(bytes: Bytes, see: (chunk: Uint8Array) => void): Bytes {
  for await (const chunk of bytes) {
    see(chunk);
    yield chunk;
  }
}

async function* check(
  bytes: Bytes,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  subject: string,
): Bytes {
  const digester = createDigester(algorithmOf(digest));
  let seen = 0;
  for await (const chunk of bytes) {
    seen += chunk.byteLength;
    if (seen > size) throw corrupt(subject, `is longer than the ${size} bytes promised`);
    digester.update(chunk);
    yield chunk;
  }
  if (seen < size) throw corrupt(subject, `ended after ${seen} of ${size} bytes`);
  assertDigest(digester.digest(), digest, subject);
}

/** @throws Failure `oci.blob-corrupt` */
export function assertDigest(found: Digest, promised: Digest, subject: string): void {
  if (found !== promised) throw corrupt(subject, `has digest ${found}, promised was ${promised}`);
}
