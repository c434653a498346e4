import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { Failure } from "../../base/failure.js";
import { diskFailure, systemCodeOf } from "./disk-failure.js";

/** Linux's `PROC_SUPER_MAGIC`: nothing can be made there, and Node 20 tries for ever to make directories. */
const procfs = 0x9fa0;

/**
 * Bytes free where something is, or will be; undefined where the system does not say.
 * @throws Failure `disk.no-place` where nothing can be made
 */
export async function freeBytesAt(path: string): Promise<number | undefined> {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize, type } = await statfs(at);
      if (type !== procfs) return bavail * bsize;
      throw new Failure("usage", `nothing can be made at ${path}: ${at} shows the kernel's processes`, {
        code: "disk.no-place",
        subject: path,
        hint: "Choose a directory on a disk.",
      });
    } catch (error) {
      if (systemCodeOf(error) === "ENOENT" && at !== dirname(at)) continue;
      const named = diskFailure(error, { doing: "look at", path: at });
      if (named instanceof Failure) throw named;
      return undefined;
    }
  }
}
