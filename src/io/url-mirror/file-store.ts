import { createReadStream, type Stats } from "node:fs";
import { link, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Bytes, concat } from "../../base/bytes.js";
import { type Call, checkInterrupted } from "../../base/call.js";
import { Failure } from "../../base/failure.js";
import type { ObjectContent, ObjectStore } from "../../buildcache/object-store.js";
import { syncDirectory, temporaryPathOf } from "../disk/atomic.js";
import { diskFailure, systemCodeOf } from "../disk/disk-failure.js";

/** Bytes of one read or write. */
const ioSize = 1024 * 1024;

const temporarySuffix = ".tmp";

/** A directory as a tree of objects. It comes to be when something is written to it. */
export function openFileStore(root: string): ObjectStore {
  const label = `file://${root}`;
  const pathOf = (path: string): string => join(root, checkedPath(path, label));

  async function fileAt(path: string): Promise<Stats | undefined> {
    try {
      const found = await stat(path);
      return found.isFile() ? found : undefined;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw failureOf(error, "read", path);
    }
  }

  async function* list(folder: string, call?: Call): AsyncGenerator<string> {
    for await (const path of listed(pathOf(folder.replace(/\/$/, "")), call)) yield `${folder}${path}`;
  }

  return {
    label,
    stat: async (path) => (await fileAt(pathOf(path)))?.size,
    async read(path, call) {
      checkInterrupted(call);
      const file = pathOf(path);
      return (await fileAt(file)) === undefined ? undefined : readStream(file);
    },
    async write(path, content, { replace = true, ...call } = {}) {
      const file = pathOf(path);
      if (!replace && (await fileAt(file)) !== undefined) return "exists";
      const temporary = temporaryPathOf(file);
      try {
        await mkdir(dirname(file), { recursive: true });
        await writeStream(temporary, content, call);
        const outcome = await publish(temporary, file, { replace });
        await syncDirectory(dirname(file));
        return outcome;
      } catch (error) {
        throw failureOf(error, "write", file);
      } finally {
        await rm(temporary, { force: true });
      }
    },
    list,
    async *objects(folder, call) {
      for await (const path of list(folder, call)) {
        const found = await fileAt(pathOf(path));
        // Else it was deleted since.
        if (found !== undefined) yield { path, size: found.size, writtenAt: found.mtimeMs };
      }
    },
    async delete(path) {
      try {
        await rm(pathOf(path), { force: true });
      } catch (error) {
        throw failureOf(error, "delete", pathOf(path));
      }
    },
  };
}

/** Names in a mirror come from whoever wrote it: none leads out of its directory. */
function checkedPath(path: string, label: string): string {
  if (!path.split("/").some((part) => part === ".." || part === "." || part.includes("\0"))) return path;
  throw new Failure("corrupt", `${label} is asked for ${JSON.stringify(path)}, which is outside`, {
    code: "mirror.path-unsafe",
    subject: path,
  });
}

const isAbsent = (error: unknown): boolean => ["ENOENT", "ENOTDIR"].includes(systemCodeOf(error) ?? "");

const failureOf = (error: unknown, doing: string, path: string): unknown =>
  diskFailure(error, { doing, path, elsewhere: "for the mirror" });

async function* readStream(path: string): Bytes {
  try {
    yield* createReadStream(path, { highWaterMark: ioSize });
  } catch (error) {
    throw failureOf(error, "read", path);
  }
}

async function writeStream(path: string, content: ObjectContent, call: Call): Promise<void> {
  const file = await open(path, "wx");
  try {
    let waiting: Uint8Array[] = [];
    let held = 0;
    const flush = async (): Promise<void> => {
      await file.writeFile(concat(waiting));
      waiting = [];
      held = 0;
    };
    for await (const chunk of content.open(call)) {
      checkInterrupted(call);
      waiting.push(chunk);
      held += chunk.byteLength;
      if (held >= ioSize) await flush();
    }
    await flush();
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Gives a whole file its name. A link fails where there is one already, whoever made it a moment ago. */
async function publish(
  temporary: string,
  file: string,
  { replace }: { readonly replace: boolean },
): Promise<"written" | "exists"> {
  if (!replace) {
    try {
      await link(temporary, file);
      return "written";
    } catch (error) {
      const code = systemCodeOf(error) ?? "";
      if (code === "EEXIST") return "exists";
      // File systems without hard links: what comes between is not seen.
      if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(code)) throw error;
    }
  }
  await rename(temporary, file);
  return "written";
}

/** Files below a directory, as paths from there; those that somebody is about to write left out. */
async function* listed(directory: string, call: Call | undefined): AsyncGenerator<string> {
  checkInterrupted(call);
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    if (isAbsent(error)) return [];
    throw failureOf(error, "list", directory);
  });
  for (const entry of entries) {
    const path = join(directory, entry.name);
    const found = entry.isSymbolicLink() ? await targetOf(path) : entry;
    const isDirectory = found?.isDirectory() === true;
    if (found?.isFile() === true && !entry.name.endsWith(temporarySuffix)) yield entry.name;
    if (isDirectory) for await (const below of listed(path, call)) yield `${entry.name}/${below}`;
  }
}

/** What a link leads to; undefined where that is nothing. */
async function targetOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw failureOf(error, "list", path);
  }
}
