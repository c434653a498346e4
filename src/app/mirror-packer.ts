import { createReadStream } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { gunzip } from "../archive/gunzip.js";
import { createTarReader } from "../archive/tar-reader.js";
import type { Bytes } from "../base/bytes.js";
import { type Call, checkInterrupted } from "../base/call.js";
import type { Entry } from "../buildcache/source.js";
import { diskFailure } from "../io/disk/disk-failure.js";
import { type Digest, parseDigest } from "../oci/digest.js";
import type { Packer } from "../push/packer.js";
import type { DagHash } from "../spec/dag-hash.js";
import { openScratch } from "./scratch.js";

/** Where a package was made, and what directories it has: what the environment of its image is made of. */
export interface Placed {
  readonly prefix: string;
  /** Absolute. */
  readonly directories: ReadonlySet<string>;
}

export interface MirrorPackerOptions {
  readonly cacheRoot: string;
  /** What is found in tarballs is added. */
  readonly placed: Map<DagHash, Placed>;
}

/** Takes tarballs as other mirrors have them, instead of making them: through a file, as they may be sent twice. */
export async function createMirrorPacker(
  entries: ReadonlyMap<DagHash, Entry>,
  { cacheRoot, placed }: MirrorPackerOptions,
): Promise<Packer> {
  const scratch = await openScratch(join(cacheRoot, "push"));
  return {
    async recall({ hash }) {
      const entry = entries.get(hash);
      return entry?.diffId === undefined ? undefined : { descriptor: entry.layer, diffId: entry.diffId };
    },
    async pack({ hash, subject }, call) {
      const entry = entries.get(hash);
      if (entry === undefined) throw new Error(`no mirror has ${subject}`);
      const file = scratch.newPath(".tar.gz");
      const dispose = () => rm(file, { force: true });
      try {
        const { diffId, place } = await fetched(entry, { ...call, file, subject });
        if (place !== undefined) placed.set(hash, place);
        return {
          content: {
            descriptor: entry.layer,
            open: () => createReadStream(file, { highWaterMark: 1024 * 1024 }),
          },
          diffId,
          file,
          [Symbol.asyncDispose]: dispose,
        };
      } catch (error) {
        await dispose();
        throw diskFailure(error, { doing: "write", path: file, elsewhere: "with $XDG_CACHE_HOME" });
      }
    },
  };
}

/** Fetches a tarball into a file, and looks at what is in it on its way. */
async function fetched(
  entry: Entry,
  { file, subject, advanced, ...call }: FetchOptions,
): Promise<{ diffId: Digest; place: Placed | undefined }> {
  let prefix: string | undefined;
  const directories = new Set<string>();
  const reader = createTarReader(
    {
      entry({ type, name }) {
        const path = `/${name.replace(/\/$/, "")}`;
        if (type !== "directory" || path.includes("/.spack/")) return;
        if (path.endsWith("/.spack")) prefix ??= path.slice(0, -"/.spack".length);
        else directories.add(path);
      },
      data: () => {},
    },
    subject,
  );
  const bytes = kept(entry.open(call), { ...call, file, advanced });
  const { diffId } = await gunzip(bytes, reader.push, { ...call, subject });
  reader.end();
  return { diffId: parseDigest(diffId), place: prefix === undefined ? undefined : { prefix, directories } };
}

interface FetchOptions extends Call {
  readonly file: string;
  readonly subject: string;
  readonly advanced?: ((bytes: number) => void) | undefined;
}

/** The same bytes, written to a file on their way. */
async function* kept(bytes: Bytes, { file, advanced, ...call }: Omit<FetchOptions, "subject">): Bytes {
  const out = await open(file, "wx");
  try {
    for await (const chunk of bytes) {
      checkInterrupted(call);
      await out.writeFile(chunk);
      advanced?.(chunk.byteLength);
      yield chunk;
    }
  } finally {
    await out.close();
  }
}
