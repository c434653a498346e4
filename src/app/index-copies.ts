import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Failure } from "../base/failure.js";
import type { BuildCache } from "../buildcache/build-cache.js";
import type { IndexCopies } from "../buildcache/index-search.js";
import { writeAtomically } from "../io/disk/atomic.js";
import { diskFailure, systemCodeOf } from "../io/disk/disk-failure.js";
import type { Context } from "./context.js";

/** The last index of each build cache, below the cache directory. Where none can be kept, that is said once. */
export function openIndexCopies({ cacheRoot, report }: Context): IndexCopies {
  const pathOf = ({ identity }: BuildCache): string =>
    join(cacheRoot, "indices", createHash("sha256").update(identity).digest("hex"));
  return {
    async read(cache) {
      try {
        return await readFile(pathOf(cache));
      } catch (error) {
        if (systemCodeOf(error) === "ENOENT") return undefined;
        throw diskFailure(error, { doing: "read", path: pathOf(cache) });
      }
    },
    async write(cache, copy) {
      const path = pathOf(cache);
      try {
        await mkdir(dirname(path), { recursive: true });
        await writeAtomically(path, copy);
      } catch (cause) {
        const failure = diskFailure(cause, { doing: "write", path });
        if (!(failure instanceof Failure)) throw failure;
        // It is fetched again the next time, that is all.
        report?.({ type: "note", level: "warning", message: `${failure.message}; the index is not kept` });
      }
    },
  };
}
