import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { diskFailure, systemCodeOf } from "../io/disk/disk-failure.js";

/** A file older than this (milliseconds) belongs to nobody, on whatever machine it was made. */
const abandonedAfter = 3 * 24 * 3600 * 1000;

/** A directory for files that do not outlive the process. */
export interface Scratch {
  /** A path that nothing has. What processes left that were killed is removed before the first. */
  newPath(suffix: string): Promise<string>;
}

export function openScratch(directory: string): Scratch {
  const own = `${hostname()}-${process.pid}-${randomBytes(4).toString("hex")}`;
  let opened: Promise<void> | undefined;
  let files = 0;
  return {
    async newPath(suffix) {
      opened ??= clean(directory);
      await opened;
      return join(directory, `${own}-${files++}${suffix}`);
    },
  };
}

/** @throws Failure `disk.denied`, `store.no-space` */
async function clean(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
  } catch (error) {
    throw diskFailure(error, { doing: "make directory", path: directory });
  }
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
