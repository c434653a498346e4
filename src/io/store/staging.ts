import { randomBytes } from "node:crypto";
import { lstat, mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Failure } from "../../base/failure.js";
import type { Staging } from "../../store/store.js";
import { diskFailure, systemCodeOf } from "../disk/disk-failure.js";
import { openLockFile } from "./lock-file.js";

/**
 * A directory of our own in `parent`. Its name is an offset in `parent/lock`, and that byte is locked for as
 * long as we live: a directory whose byte can be locked belongs to a process that ended, and is removed.
 */
export async function openStaging(parent: string, { locks }: { locks: boolean }): Promise<Staging> {
  await mkdir(parent, { recursive: true }).catch((error) => {
    throw diskFailure(error, { doing: "create", path: parent });
  });
  const name = randomBytes(7).toString("hex");
  const path = join(parent, name);
  // The lock comes first, so no directory is ever seen without it.
  const owner = locks ? await openLockFile(join(parent, "lock")) : undefined;
  try {
    await owner?.tryLock(byteOf(name));
    await mkdir(path);
    if (locks)
      for (const left of await listAbandoned(parent)) await rm(left, { recursive: true, force: true });
  } catch (error) {
    await owner?.close();
    throw diskFailure(error, { doing: "create", path });
  }

  let made = 0;
  return {
    path,
    newPath: () => join(path, String(made++)),
    publish: async (directory, prefix, { overwrite = false } = {}) => {
      try {
        await mkdir(dirname(prefix), { recursive: true });
        const aside = join(path, `old-${made++}`);
        if (overwrite) await renameIfThere(prefix, aside);
        else if (await isThere(prefix)) throw prefixExists(prefix);
        await rename(directory, prefix);
        if (overwrite) await rm(aside, { recursive: true, force: true });
      } catch (error) {
        // Someone without our locks was quicker.
        if (systemCodeOf(error) === "ENOTEMPTY" || systemCodeOf(error) === "EEXIST")
          throw prefixExists(prefix);
        throw diskFailure(error, { doing: "create", path: prefix });
      }
    },
    retire: async (prefix) => {
      try {
        const aside = join(path, `old-${made++}`);
        await renameIfThere(prefix, aside);
        await rm(aside, { recursive: true, force: true });
      } catch (error) {
        throw diskFailure(error, { doing: "remove", path: prefix });
      }
    },
    [Symbol.asyncDispose]: async () => {
      await rm(path, { recursive: true, force: true });
      await owner?.close();
    },
  };
}

const byteOf = (name: string) => ({ start: BigInt(`0x${name}`), length: 1n, exclusive: true });

/** Directories of processes that ended. */
export async function listAbandoned(parent: string): Promise<readonly string[]> {
  const names = (await listed(parent)).filter((name) => /^[0-9a-f]{14}$/.test(name));
  if (names.length === 0) return [];
  // Another opening of the file than the one that holds our own byte, so that byte looks locked here too.
  const probe = await openLockFile(join(parent, "lock"));
  try {
    const abandoned: string[] = [];
    for (const name of names)
      if ((await probe.tryLock(byteOf(name))) === undefined) abandoned.push(join(parent, name));
    return abandoned;
  } finally {
    await probe.close();
  }
}

/** The names in a directory; none where there is no directory. */
export async function listed(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT" || systemCodeOf(error) === "ENOTDIR") return [];
    throw error;
  }
}

export async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return false;
    throw error;
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (systemCodeOf(error) !== "ENOENT") throw error;
  }
}

function prefixExists(prefix: string): Failure {
  return new Failure("conflict", `${prefix} exists, but the store's database does not know it`, {
    code: "store.prefix-exists",
    subject: prefix,
    hint: "Remove it, or give --overwrite to replace it.",
  });
}
