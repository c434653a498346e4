import { expect, test } from "vitest";
import { bytesOf, readAll, textOf, utf8 } from "../../src/base/bytes.js";
import type { ListedObject, ObjectContent, ObjectStore } from "../../src/buildcache/object-store.js";

export const objectOf = (text: string | Uint8Array): ObjectContent => {
  const bytes = typeof text === "string" ? utf8(text) : text;
  return { size: bytes.byteLength, open: () => bytesOf(bytes) };
};

export async function contentAt(store: ObjectStore, path: string): Promise<string | undefined> {
  const found = await store.read(path);
  return found && textOf(await readAll(found, { limit: 1 << 28, subject: path }));
}

/** What every tree of objects does that can be written. */
export function storeContract(
  name: string,
  open: () => Promise<AsyncDisposable & { readonly store: ObjectStore }>,
) {
  test(`${name}: what was written is there, whole, under its name`, async () => {
    await using opened = await open();
    const { store } = opened;
    const path = "v3/manifests/spec/gtk+/gtk+-3.0 x=1~ü.json";
    expect(await store.stat(path)).toBeUndefined();
    expect(await store.read(path)).toBeUndefined();
    expect(await store.write(path, objectOf("hello"))).toBe("written");
    expect(await store.stat(path)).toBe(5);
    expect(await contentAt(store, path)).toBe("hello");
    await store.write("empty", objectOf(""));
    expect(await store.stat("empty")).toBe(0);
    expect(await contentAt(store, "empty")).toBe("");
  });

  test(`${name}: what is there is replaced, or left where it shall be`, async () => {
    await using opened = await open();
    const { store } = opened;
    await store.write("a", objectOf("one"));
    expect(await store.write("a", objectOf("two"), { replace: false })).toBe("exists");
    expect(await contentAt(store, "a")).toBe("one");
    expect(await store.write("a", objectOf("two"))).toBe("written");
    expect(await contentAt(store, "a")).toBe("two");
    expect(await store.write("b", objectOf("new"), { replace: false })).toBe("written");
    const both = await Promise.all(
      ["x", "y"].map((text) => store.write("c", objectOf(text), { replace: false })),
    );
    expect(both.toSorted()).toEqual(["exists", "written"]);
  });

  test(`${name}: a listing has all below a folder, and nothing else`, async () => {
    await using opened = await open();
    const { store } = opened;
    const paths = Array.from({ length: 25 }, (_, i) => `v3/${i % 2 ? "a b" : "c+d"}/${i}.json`);
    for (const path of [...paths, "v30/other", "blobs/x"]) await store.write(path, objectOf(path));
    const found: string[] = [];
    for await (const path of store.list?.("v3/") ?? []) found.push(path);
    expect(found.toSorted()).toEqual(paths.toSorted());
    for await (const path of store.list?.("nothing/") ?? []) found.push(path);
    expect(found.length).toBe(paths.length);
  });

  test(`${name}: a listing can tell sizes and times`, async () => {
    await using opened = await open();
    const { store } = opened;
    for (const path of ["v3/a b", "v3/c+d/e"]) await store.write(path, objectOf(path));
    const found: ListedObject[] = [];
    for await (const object of store.objects?.("v3/") ?? []) found.push(object);
    expect(found.map(({ path, size }) => [path, size]).sort()).toEqual([
      ["v3/a b", 6],
      ["v3/c+d/e", 8],
    ]);
    for (const { writtenAt } of found) expect(writtenAt).toBeGreaterThan(Date.parse("2024-02-01"));
  });

  test(`${name}: what was deleted is gone, and may be deleted again`, async () => {
    await using opened = await open();
    const { store } = opened;
    await store.write("a", objectOf("one"));
    await store.delete("a");
    await store.delete("a");
    expect(await store.stat("a")).toBeUndefined();
  });

  test(`${name}: content that fails half-way leaves nothing, and what was there as it was`, async () => {
    await using opened = await open();
    const { store } = opened;
    await store.write("a", objectOf("before"));
    const size = 20 * 1024 * 1024;
    const broken: ObjectContent = {
      size,
      async *open() {
        yield new Uint8Array(size - 1);
        throw new Error("the disk is gone");
      },
    };
    for (const path of ["a", "b"])
      await expect(store.write(path, broken)).rejects.toThrow("the disk is gone");
    expect(await contentAt(store, "a")).toBe("before");
    expect(await store.stat("b")).toBeUndefined();
  });

  test(`${name}: a large object comes back byte for byte`, async () => {
    await using opened = await open();
    const { store } = opened;
    const bytes = Buffer.alloc(20 * 1024 * 1024 + 7, "stowage ");
    await store.write("large", objectOf(bytes));
    expect(await store.stat("large")).toBe(bytes.length);
    const found = await store.read("large");
    expect(found && bytes.equals(await readAll(found, { limit: 1 << 28, subject: "large" }))).toBe(true);
  });
}
