import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { PushOptions } from "../../src/app/push.js";
import { readAll } from "../../src/base/bytes.js";
import { readEntry } from "../../src/buildcache/entry.js";
import { parseTag } from "../../src/oci/reference.js";
import { openTestClient } from "../support/client.js";
import { spackRoot } from "../support/fixtures.js";
import { pushingMachine } from "../support/push.js";
import { startRegistry, type TestRegistry } from "../support/registry.js";

const machine = pushingMachine();
let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(async () => {
  await registry.close();
  machine[Symbol.dispose]();
});

let repositories = 0;
const freshName = (): string => `again${repositories++}`;
const mirrorOf = (name: string): string => `oci+http://${registry.host}/${name}`;

const bzip2 = machine.locate(`${spackRoot}/linux-x86_64/bzip2-1.0.8-5xfxwrgrx3v2jqtmavziwluq3o2wp6x4`);

async function deleteTag(name: string, tag: string | undefined): Promise<void> {
  await using client = openTestClient(registry.url);
  await client.open(name).manifests.delete(parseTag(tag ?? ""));
}

/** Pushes bzip2 alone; tells what was packed, and how many uploads began. */
async function pushBzip2(name: string, options: PushOptions = {}) {
  const packed = new Set<string>();
  const start = registry.requests.length;
  const result = await machine.push(mirrorOf(name), {
    specs: ["bzip2"],
    only: "package",
    report: (event) => void (event.type === "advanced" && packed.add(event.task.subject)),
    ...options,
  });
  const uploads = registry.requests.slice(start).filter(({ method }) => method === "POST").length;
  return { ...result, packed: [...packed], uploads };
}

test("a package whose tag is gone, but not its layer, is neither packed nor sent", async () => {
  const name = freshName();
  const first = await pushBzip2(name);
  expect(first).toMatchObject({ packed: ["bzip2@1.0.8/5xfxwrg"], uploads: 2 });
  await deleteTag(name, first.pushed[0]?.tag);
  const again = await pushBzip2(name);
  expect(again.pushed).toEqual(first.pushed);
  expect(again).toMatchObject({ packed: [], uploads: 0 });
});

test("what changed in a prefix is packed again, and with --force all is", async () => {
  const name = freshName();
  const first = await pushBzip2(name);
  appendFileSync(join(bzip2, "include/bzlib.h"), "/* changed */\n");
  await deleteTag(name, first.pushed[0]?.tag);
  const changed = await pushBzip2(name);
  expect(changed.packed).toHaveLength(1);
  expect(changed.pushed[0]?.layer).not.toBe(first.pushed[0]?.layer);
  expect((await pushBzip2(name, { force: true })).packed).toHaveLength(1);
});

test("a package that was relocated with aliases is pushed by the layer it came from, or refused", async () => {
  const name = freshName();
  const original = (await pushBzip2(name)).pushed[0];
  await using client = openTestClient(registry.url);
  const entry = await readEntry(client.open(name), parseTag(original?.tag ?? ""));
  if (entry === undefined) throw new Error("nothing was pushed");
  const { digest, size } = entry.layer;
  const record = join(bzip2, ".spack/stowage.json");
  try {
    writeFileSync(record, JSON.stringify({ aliases: {}, layer: { digest, size, diffId: entry.diffId } }));
    await deleteTag(name, original?.tag);
    expect((await pushBzip2(name)).pushed).toEqual([original]);

    const elsewhere = freshName();
    const refused = await pushBzip2(elsewhere);
    expect(refused.failed).toMatchObject([
      { name: "bzip2", failure: { code: "push.aliased", hint: expect.any(String) } },
    ]);
    expect(refused.packed).toEqual([]);

    const bytes = await readAll(client.open(name).blobs.read(entry.layer), {
      limit: 1e8,
      subject: "layer",
    });
    const blobs = join(machine.home, ".stowage/cache/blobs/sha256");
    mkdirSync(blobs, { recursive: true });
    writeFileSync(join(blobs, digest.replace("sha256:", "")), bytes);
    expect((await pushBzip2(elsewhere)).pushed[0]?.layer).toBe(digest);
  } finally {
    rmSync(record);
  }
});

test("what a killed push left in the cache is removed by the next, what a running one uses is not", async () => {
  const directory = join(machine.home, ".stowage/cache/push");
  mkdirSync(directory, { recursive: true });
  const { pid } = spawnSync("true");
  const killed = `${hostname()}-${pid}-0123abcd-0.tar.gz`;
  const running = `${hostname()}-${process.pid}-0123abcd-0.tar.gz`;
  const far = `elsewhere-${pid}-0123abcd-0.tar.gz`;
  for (const file of [killed, running, far]) writeFileSync(join(directory, file), "");
  await pushBzip2(freshName());
  expect(readdirSync(directory).sort()).toEqual([far, running].sort());
});
