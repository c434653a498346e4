import type { Gzip } from "node:zlib";

/**
 * What a stream of zlib's makes of a source, while its next chunk is made in another thread. A chunk of the source
 * may be reused once the next is asked for.
 */
export async function* through(
  stream: Gzip,
  source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  // A stream that fails never calls back for the write under way.
  let stopped: ((error?: Error | null) => void) | undefined;
  stream.on("error", (error) => stopped?.(error));
  stream.on("close", () => stopped?.(stream.errored ?? new Error("closed")));

  const feed = async (): Promise<void> => {
    for await (const chunk of source)
      await new Promise<void>((resolve, reject) => {
        stopped = (error) => (error ? reject(error) : resolve());
        stream.write(chunk, stopped);
      });
    stream.end();
  };
  const fed = feed().catch((error: Error) => {
    // Ends the loop below as well, which then fails with the same error.
    stream.destroy(error);
    throw error;
  });
  // Met below; until then it must not count as unhandled.
  fed.catch(() => undefined);
  try {
    for await (const chunk of stream) yield chunk;
    await fed;
  } finally {
    stream.destroy();
    await fed.catch(() => undefined);
  }
}
