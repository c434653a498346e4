import { bytesOf, readAll } from "../../src/base/bytes.js";
import type { ObjectStore } from "../../src/buildcache/object-store.js";

export interface MemoryObjects extends ObjectStore {
  readonly objects: NonNullable<ObjectStore["objects"]>;
  /** What is there. */
  readonly content: Map<string, { readonly bytes: Uint8Array; readonly writtenAt: number }>;
}

/** A tree of objects in memory. */
export function memoryObjects(now: () => number): MemoryObjects {
  const content: MemoryObjects["content"] = new Map();
  return {
    label: "memory://mirror",
    content,
    stat: async (path) => content.get(path)?.bytes.byteLength,
    async read(path) {
      const found = content.get(path);
      return found && bytesOf(found.bytes);
    },
    async write(path, { open, size }, { replace = true } = {}) {
      const bytes = await readAll(open(), { limit: size, subject: path });
      if (!replace && content.has(path)) return "exists";
      content.set(path, { bytes, writtenAt: now() });
      return "written";
    },
    async *list(folder) {
      for (const path of [...content.keys()]) if (path.startsWith(folder)) yield path;
    },
    async *objects(folder) {
      for (const [path, { bytes, writtenAt }] of [...content])
        if (path.startsWith(folder)) yield { path, size: bytes.byteLength, writtenAt };
    },
    delete: async (path) => void content.delete(path),
  };
}

/** The same, with something that happens just before the n-th change, or ends it. */
export function changingObjects(
  store: ObjectStore,
  before: (n: number, what: string) => Promise<void>,
): ObjectStore {
  let n = 0;
  return {
    ...store,
    async write(path, content, call) {
      await before(n++, `write ${path}`);
      return store.write(path, content, call);
    },
    async delete(path, call) {
      await before(n++, `delete ${path}`);
      return store.delete(path, call);
    },
  };
}
