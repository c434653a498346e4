import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Failure } from "../base/failure.js";
import type { IndexCopies } from "../buildcache/index-search.js";
import { writeAtomically } from "../io/disk/atomic.js";
import { diskFailure, systemCodeOf } from "../io/disk/disk-failure.js";
import type { Repository } from "../oci/repository.js";
import type { Context } from "./context.js";

/** The last index of each build cache, below the cache directory. Where none can be kept, that is said once. */
export function openIndexCopies({ cacheRoot, report }: Context): IndexCopies {
  const pathOf = ({ registry, name }: Repository): string =>
    join(cacheRoot, "indices", createHash("sha256").update(`${registry}/${name}`).digest("hex"));
  return {
    async read(repository) {
      try {
        return await readFile(pathOf(repository));
      } catch (error) {
        if (systemCodeOf(error) === "ENOENT") return undefined;
        throw diskFailure(error, { doing: "read", path: pathOf(repository) });
      }
    },
    async write(repository, copy) {
      const path = pathOf(repository);
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
