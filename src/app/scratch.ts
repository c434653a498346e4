import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { diskFailure, systemCodeOf } from "../io/disk/disk-failure.js";

/** A file older than this (milliseconds) belongs to nobody, on whatever machine it was made. */
const abandonedAfter = 3 * 24 * 3600 * 1000;

/** A directory for files that do not outlive the process. */
export interface Scratch {
  /** A path that nothing has. */
  newPath(suffix: string): string;
}

/**
 * Opens a directory for such files, and removes what processes left there that were killed.
 * @throws Failure `disk.denied`, `store.no-space`
 */
export async function openScratch(directory: string): Promise<Scratch> {
  const own = `${hostname()}-${process.pid}-${randomBytes(4).toString("hex")}`;
  let files = 0;
  try {
    await mkdir(directory, { recursive: true });
  } catch (error) {
    throw diskFailure(error, { doing: "make directory", path: directory });
  }
  await clean(directory);
  return { newPath: (suffix) => join(directory, `${own}-${files++}${suffix}`) };
}

async function clean(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if ((await isAbandoned(name, path)) === true) await rm(path, { force: true });
  }
}

async function isAbandoned(name: string, path: string): Promise<boolean> {
  const [, host, pid] = /^(.+)-(\d+)-[0-9a-f]{8}-\d+/.exec(name) ?? [];
  if (host === hostname()) return !isRunning(Number(pid));
  try {
    return Date.now() - (await stat(path)).mtimeMs > abandonedAfter;
  } catch (error) {
    // Another process removed it.
    if (systemCodeOf(error) === "ENOENT") return false;
    throw error;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It is another user's, who may not be signalled.
    return systemCodeOf(error) === "EPERM";
  }
}
