import { createHash, type Hash, randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  fdatasync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Clock } from "../../base/clock.js";
import { algorithmOf, type Digest, type DigestAlgorithm } from "../../oci/digest.js";
import type { Upload } from "../../server/storage.js";
import { touch } from "./blob-files.js";
import { readFileRange } from "./read-file.js";
import { createWriteQueue } from "./write-queue.js";

const syncData = promisify(fdatasync);

/** Uploads of one repository, a file each: its size is the offset, so that they outlive the process. */
export interface DiskUploads {
  start(algorithm: DigestAlgorithm): Upload;
  find(id: string): Upload | undefined;
  /** Removes those that nobody wrote to since `before`. */
  sweep(before: number): { readonly uploads: number; readonly bytes: number };
}

export interface DiskUploadOptions {
  /** Where their files are; made when needed. */
  readonly directory: string;
  /** Makes a finished file a blob, and so takes it away. */
  readonly adopt: (file: string, digest: Digest) => void;
  /** Hashes of the uploads under way, by path. */
  readonly hashes: Map<string, RunningHash>;
  readonly clock: Pick<Clock, "now">;
}

/**
 * The hash of the first `size` bytes of an upload. In the middle of its work it cannot be written down: after a
 * restart it is done again from the file.
 */
export interface RunningHash {
  readonly hash: Hash;
  readonly size: number;
}

export function openDiskUploads({ directory, adopt, hashes, clock }: DiskUploadOptions): DiskUploads {
  const pathOf = (id: string, algorithm: DigestAlgorithm): string => join(directory, `${id}.${algorithm}`);

  function open(id: string, algorithm: DigestAlgorithm): Upload {
    const path = pathOf(id, algorithm);

    async function hashSoFar(): Promise<RunningHash> {
      const { size } = statSync(path);
      const known = hashes.get(path);
      return known?.size === size ? known : { hash: await hashOfFile(path, algorithm), size };
    }
    async function hasDigest(digest: Digest): Promise<boolean> {
      const wanted = algorithmOf(digest);
      const hash = wanted === algorithm ? (await hashSoFar()).hash : await hashOfFile(path, wanted);
      return digest === `${wanted}:${hash.digest("hex")}`;
    }
    function forget(): void {
      hashes.delete(path);
      rmSync(path, { force: true });
    }

    return {
      id,
      offset: async () => statSync(path).size,
      async append(bytes) {
        const { hash, size } = await hashSoFar();
        let end = size;
        const fd = openSync(path, "a");
        const queue = createWriteQueue(fd);
        try {
          for await (const chunk of bytes) {
            hash.update(chunk);
            end += chunk.byteLength;
            const full = queue.push(chunk);
            if (full !== undefined) await full;
          }
        } finally {
          // Also what arrived before the stream broke is kept; a hash of what is not on disk is not.
          try {
            hashes.delete(path);
            await queue.end();
            hashes.set(path, { hash, size: end });
            touch(path, clock);
          } finally {
            closeSync(fd);
          }
        }
      },
      async commit(digest) {
        try {
          if (!(await hasDigest(digest))) return false;
          await syncFile(path);
          adopt(path, digest);
          return true;
        } finally {
          forget();
        }
      },
      cancel: async () => forget(),
    };
  }

  return {
    start(algorithm) {
      const id = randomUUID();
      mkdirSync(directory, { recursive: true });
      const path = pathOf(id, algorithm);
      closeSync(openSync(path, "wx"));
      touch(path, clock);
      return open(id, algorithm);
    },
    find(id) {
      // It comes from a URL, and goes into a path.
      if (!/^[0-9a-f-]{36}$/.test(id)) return undefined;
      const algorithm = (["sha256", "sha512"] as const).find((name) => existsSync(pathOf(id, name)));
      return algorithm && open(id, algorithm);
    },
    sweep(before) {
      const swept = { uploads: 0, bytes: 0 };
      for (const name of existsSync(directory) ? readdirSync(directory) : []) {
        const path = join(directory, name);
        const { mtimeMs, size } = statSync(path);
        if (mtimeMs >= before) continue;
        hashes.delete(path);
        rmSync(path);
        swept.uploads += 1;
        swept.bytes += size;
      }
      return swept;
    },
  };
}

async function hashOfFile(path: string, algorithm: DigestAlgorithm): Promise<Hash> {
  const hash = createHash(algorithm);
  for await (const chunk of readFileRange(path, { start: 0, end: statSync(path).size })) hash.update(chunk);
  return hash;
}

async function syncFile(path: string): Promise<void> {
  const fd = openSync(path, "r+");
  try {
    await syncData(fd);
  } finally {
    closeSync(fd);
  }
}
