import { mkdir, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { writeAtomically } from "../disk/atomic.js";
import { diskFailure, systemCodeOf } from "../disk/disk-failure.js";
import { readText } from "./scope-files.js";

/**
 * Replaces a configuration file by what `edit` makes of its text (undefined: there is none). A link stays a link, and
 * the file keeps its permissions. Returns whether it changed.
 */
export async function editFile(file: string, edit: (text: string | undefined) => string): Promise<boolean> {
  const before = await readText(file);
  const after = edit(before);
  if (after === before) return false;
  try {
    await mkdir(dirname(file), { recursive: true });
    const target = before === undefined ? file : await realpath(file);
    const mode = before === undefined ? undefined : (await stat(target)).mode & 0o777;
    await writeAtomically(target, after, { mode, sync: true });
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    throw diskFailure(error, {
      doing: "write",
      path: file,
      elsewhere: "with --scope, or $SPACK_USER_CONFIG_PATH",
    });
  }
  return true;
}
