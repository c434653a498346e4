import { readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { systemCodeOf } from "./disk-failure.js";

/** Marks a file as used now: the time of its last change is what is kept by. */
export async function markUsed(path: string): Promise<void> {
  const now = new Date();
  // Only the order in which files go depends on it.
  await utimes(path, now, now).catch(() => undefined);
}

/** Removes the files of a directory that were used longest ago, until the rest has at most `limit` bytes. */
export async function keepLastUsed(directory: string, limit: number): Promise<void> {
  const files: { path: string; size: number; used: number }[] = [];
  for (const name of await listed(directory)) {
    const path = join(directory, name);
    const there = await statThere(path);
    if (there !== undefined) files.push({ path, used: there.mtimeMs, size: there.size });
  }
  let total = files.reduce((sum, { size }) => sum + size, 0);
  for (const { path, size } of files.sort((a, b) => a.used - b.used)) {
    if (total <= limit) return;
    // A file that someone reads stays until they close it.
    await rm(path, { force: true });
    total -= size;
  }
}

/** undefined where another process removed it. */
export async function statThere(path: string): Promise<{ mtimeMs: number; size: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Names in a directory; none where it does not exist. */
export async function listed(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return [];
    throw error;
  }
}
