import { blockSize, encodeTarHeader, paddingOf, recordSize } from "../archive/tar-header.js";
import { createTarReader } from "../archive/tar-reader.js";
import type { Bytes } from "../base/bytes.js";
import { Failure } from "../base/failure.js";

/** An uncompressed layer. */
export interface Archive {
  /** For messages. */
  readonly subject: string;
  readonly content: Bytes;
}

/**
 * One tar archive with the entries of several, in their order: what came later stands later, so wins. A directory
 * that was there already is left out.
 *
 * Headers are written anew as those of packages are, so equal layers merge to equal bytes. A chunk is valid until the
 * next is asked for.
 * @throws Failure `image.layer-foreign` for what no package's layer holds
 */
export async function* mergeArchives(archives: Iterable<Archive>): AsyncGenerator<Uint8Array> {
  const directories = new Set<string>();
  let size = 0;
  let chunks: Uint8Array[] = [];
  const put = (chunk: Uint8Array): void => {
    chunks.push(chunk);
    size += chunk.byteLength;
  };
  for (const { subject, content } of archives) {
    let left = 0;
    let padding = 0;
    const reader = createTarReader(
      {
        entry({ type, name, mode, size: length, linkName }) {
          if (type === "other")
            throw new Failure("unsupported", `cannot merge ${subject}: ${name} is a device or the like`, {
              code: "image.layer-foreign",
              subject,
            });
          if (type === "directory" && directories.has(name)) return;
          if (type === "directory") directories.add(name);
          put(encodeTarHeader({ type, name, mode, size: length, linkName }));
          left = length;
          padding = paddingOf(length);
        },
        data(chunk) {
          put(chunk);
          left -= chunk.byteLength;
          if (left === 0 && padding > 0) put(new Uint8Array(padding));
        },
      },
      subject,
    );
    for await (const chunk of content) {
      reader.push(chunk);
      yield* chunks;
      chunks = [];
    }
    reader.end();
  }
  // Two blocks of zeros, filled up to a whole record.
  const end = 2 * blockSize;
  yield new Uint8Array(end + ((recordSize - ((size + end) % recordSize)) % recordSize));
}
