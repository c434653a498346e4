import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { diskFailure } from "./disk-failure.js";

export interface WriteOptions {
  /** Permissions of the file (default 0o644, as the process's umask allows). */
  readonly mode?: number | undefined;
  /** A commit point: on disk before it is visible, and visible before this returns. */
  readonly sync?: boolean | undefined;
}

/**
 * Writes a file so that a reader sees the old or the new content, whole.
 * @throws Failure `store.no-space`, `disk.denied`
 */
export async function writeAtomically(
  path: string,
  content: Uint8Array | string,
  { mode = 0o644, sync = false }: WriteOptions = {},
): Promise<void> {
  const temporary = temporaryPathOf(path);
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(content);
      if (sync) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    if (sync) await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskFailure(error, { doing: "write", path });
  }
}

/** A name beside `path` that nothing has: a rename from there stays on the same file system. */
export const temporaryPathOf = (path: string): string => `${path}.${randomBytes(6).toString("hex")}.tmp`;

/** Makes the names in a directory last, where the system can. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
