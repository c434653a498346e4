import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { decodeNode } from "../../spec/node.js";
import { type InstallRecord, withRecords } from "../../store/database.js";
import { openStore } from "./disk-store.js";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "store-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const hashOf = (n: number) =>
  n.toString(2).padStart(4, "0").replaceAll("0", "a").replaceAll("1", "b").padEnd(32, "a");
function recordOf(n: number): InstallRecord {
  const spec = decodeNode(
    {
      name: `p${n}`,
      version: "1",
      arch: { platform: "linux", platform_os: "d", target: "x86_64" },
      hash: hashOf(n),
    },
    { subject: "test", code: "spec.invalid", path: "" },
  );
  const prefix = join(root, spec.name);
  const rest = {
    explicit: true,
    refCount: 0,
    deprecatedFor: undefined,
    inBuildcache: undefined,
    raw: undefined,
  };
  return { spec, path: prefix, installed: true, installationTime: 1.5, ...rest };
}

test("a store that does not exist has no packages, and is not made by looking", async () => {
  const store = await openStore(join(root, "none"));
  expect((await store.readDatabase()).records.size).toBe(0);
  expect(existsSync(join(root, "none"))).toBe(false);
});

test("updates at once all arrive, and each leaves a new verifier", async () => {
  const stores = await Promise.all(Array.from({ length: 8 }, () => openStore(root)));
  const verifiers = new Set<string>();
  await Promise.all(
    stores.map(async (store, n) => {
      await store.updateDatabase((database) => withRecords(database, [recordOf(n)]));
      verifiers.add(readFileSync(join(root, ".spack-db/index_verifier"), "utf8"));
    }),
  );
  const database = await (await openStore(root)).readDatabase();
  expect([...database.records.values()].map(({ spec }) => spec.name).sort()).toEqual(
    Array.from({ length: 8 }, (_, n) => `p${n}`),
  );
  expect(verifiers.size).toBeGreaterThan(1);
});

test("a change that fails leaves the database as it was, unlocked", async () => {
  const store = await openStore(root, { lockTimeout: 100 });
  await store.updateDatabase((database) => withRecords(database, [recordOf(1)]));
  const before = readFileSync(join(root, ".spack-db/index.json"), "utf8");
  await expect(
    store.updateDatabase(() => {
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  expect(readFileSync(join(root, ".spack-db/index.json"), "utf8")).toBe(before);
  await store.updateDatabase((database) => database);
});

test("what a writer that died left beside the database is removed by the next", async () => {
  const store = await openStore(root);
  mkdirSync(join(root, ".spack-db"), { recursive: true });
  writeFileSync(join(root, ".spack-db/index.json.0123456789ab.tmp"), "{");
  await store.updateDatabase((database) => withRecords(database, [recordOf(1)]));
  expect(readdirSync(join(root, ".spack-db")).sort()).toEqual(["index.json", "index_verifier", "lock"]);
});

test("a damaged database is told by its path, and never overwritten", async () => {
  mkdirSync(join(root, ".spack-db"));
  writeFileSync(join(root, ".spack-db/index.json"), '{"database":');
  await expect(openStore(root)).rejects.toMatchObject({
    code: "store.database-corrupt",
    message: expect.stringContaining(join(root, ".spack-db/index.json")),
  });
});

test("a package's lock excludes others until it is disposed", async () => {
  const [one, two] = [await openStore(root, { lockTimeout: 20 }), await openStore(root, { lockTimeout: 20 })];
  const [a, b] = [recordOf(1).spec.hash, recordOf(2).spec.hash];
  {
    await using held = await one.lockPackages([a]);
    expect([...held.held]).toEqual([a]);
    await using rest = await two.lockPackages([a, b]);
    expect([...rest.held]).toEqual([b]);
    await expect(two.lockPackages([a], { wait: true })).rejects.toMatchObject({ code: "store.locked" });
  }
  await using now = await two.lockPackages([a], { wait: true });
  expect([...now.held]).toEqual([a]);
});

test("a staging directory goes when it is disposed, and an abandoned one when the next is opened", async () => {
  const store = await openStore(root);
  const staging = join(root, ".stowage-staging");
  mkdirSync(join(staging, "0123456789abcd", "half"), { recursive: true });
  {
    await using mine = await store.openStaging();
    await using other = await store.openStaging();
    expect(readdirSync(staging).sort()).toEqual(
      ["lock", mine.path, other.path].map((path) => path.replace(`${staging}/`, "")).sort(),
    );
  }
  expect(readdirSync(staging)).toEqual(["lock"]);
});

test("publish() renames into place, and refuses a prefix that is there unless told to replace it", async () => {
  await using staging = await (await openStore(root)).openStaging();
  const prefix = join(root, "linux-x86_64", "p");
  for (const [content, overwrite] of [
    ["one", false],
    ["two", false],
    ["three", true],
  ] as const) {
    const directory = staging.newPath();
    mkdirSync(directory);
    writeFileSync(join(directory, "file"), content);
    const publishing = staging.publish(directory, prefix, { overwrite });
    if (content === "two") await expect(publishing).rejects.toMatchObject({ code: "store.prefix-exists" });
    else await publishing;
  }
  expect(readFileSync(join(prefix, "file"), "utf8")).toBe("three");
});
