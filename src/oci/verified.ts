import type { Bytes } from "../base/bytes.js";
import { Failure } from "../base/failure.js";
import type { Descriptor } from "./descriptor.js";
import { algorithmOf, createDigester, type Digest } from "./digest.js";

export function corrupt(subject: string, found: string, cause?: unknown): Failure {
  return new Failure("corrupt", `${subject} ${found}`, { code: "oci.blob-corrupt", subject, cause });
}

/**
 * The same bytes, checked on the way: the stream fails at the first byte too many, and at its end where size
 * or digest are not as promised. Nothing read from it is to be trusted before it has ended.
 * @param subject what the bytes are, for the message
 * @throws Failure `oci.blob-corrupt`
 */
export async function* verified(
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
