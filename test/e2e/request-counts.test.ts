// What each command costs a registry, as docs/performance.md tells it.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { list, updateIndex } from "../../src/app/buildcache.js";
import { image } from "../../src/app/image.js";
import { install } from "../../src/app/install.js";
import { pruneMirror } from "../../src/app/prune.js";
import type { PushOptions } from "../../src/app/push.js";
import { readEntry } from "../../src/buildcache/entry.js";
import { packageTags } from "../../src/buildcache/oci-cache.js";
import { encodeManifest } from "../../src/oci/manifest.js";
import { mediaTypes } from "../../src/oci/media-types.js";
import { requestOf } from "../../src/server/http.js";
import type { ConcreteSpec } from "../../src/spec/concrete-spec.js";
import { openTestClient } from "../support/client.js";
import { scratchDirectory } from "../support/fixtures.js";
import { graphOf, makePackage, storePackage } from "../support/packages.js";
import { pushingMachine } from "../support/push.js";
import { startRegistry, type TestRegistry } from "../support/registry.js";
import { countKinds } from "../support/requests.js";

const machine = pushingMachine();
const scratch = scratchDirectory();
let registry: TestRegistry;
let mirror = "";
beforeEach(async () => {
  registry = await startRegistry();
  mirror = `oci+http://${registry.host}/cache`;
});
afterEach(() => registry.close());
afterAll(() => {
  for (const one of [machine, scratch]) one[Symbol.dispose]();
});

let homes = 0;
/** A machine that has asked nobody yet. */
function newHome() {
  const home = join(scratch.path, `home${homes++}`);
  return { home, env: { HOME: home, SPACK_USER_CONFIG_PATH: `${home}/spack` } };
}

/** What a command asks the registry, and how often. */
async function requestsOf(command: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = registry.requests.length;
  await command();
  return countKinds(registry.requests.slice(before));
}

/** Made-up packages `p0`, `p1`, …, none of which needs another, or each the one before it. */
async function storePackages(from: number, to: number, { chained = false } = {}): Promise<void> {
  await using client = openTestClient(registry.url);
  const made: ConcreteSpec[] = [];
  for (let i = 0; i < to; i += 1) made.push(makePackage(`p${i}`, "1.0", chained ? made.slice(-1) : []));
  for (const spec of made.slice(from)) await storePackage(client.open("cache"), graphOf(spec, made));
}

describe("update-index", () => {
  const update = (full = false) => updateIndex(mirror, { ...newHome(), full });
  const write = { "HEAD blob": 2, "PUT index": 1, "HEAD index": 1 };

  test.each([1, 5, 40])("reads each of %i packages once, by two requests", async (count) => {
    await storePackages(0, count);
    expect(await requestsOf(update)).toEqual({
      "GET index": 1,
      "GET tags": 2,
      "GET manifest": count,
      "GET blob": count,
      ...write,
      // The empty config is there already; the index is new.
      "POST upload": 2,
      "PUT upload": 2,
    });
  });

  test.each([1, 5])(
    "with %i new packages costs two requests for each, however many there are",
    async (more) => {
      await storePackages(0, 20);
      await update();
      await storePackages(20, 20 + more);
      expect(await requestsOf(update)).toEqual({
        "GET index": 1,
        "GET tags": 2,
        "GET manifest": more,
        "GET blob": 1 + more,
        ...write,
        "POST upload": 1,
        "PUT upload": 1,
      });
    },
  );

  test("with nothing new reads the index and the tags, and writes nothing", async () => {
    await storePackages(0, 20);
    await update();
    expect(await requestsOf(update)).toEqual({ "GET index": 1, "GET blob": 1, "GET tags": 1 });
  });

  test("reads no config of a package whose spec another's told", async () => {
    await storePackages(0, 100, { chained: true });
    const requests = await requestsOf(update);
    expect(requests).toMatchObject({ "GET manifest": 100 });
    // Those that are asked for at once with the largest, which tells of all.
    expect(requests["GET blob"]).toBeLessThan(50);
  });

  test("--full reads all packages again", async () => {
    await storePackages(0, 20);
    await update();
    expect(await requestsOf(() => update(true))).toEqual({
      "GET index": 1,
      "GET tags": 2,
      "GET manifest": 20,
      "GET blob": 21,
      ...write,
    });
  });

  test("asks for the tags a thousand at a time", async () => {
    await storePackages(0, 1);
    const { bytes, descriptor } = encodeManifest({
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: [],
    });
    const headers = { "content-type": descriptor.mediaType };
    for (let i = 0; i < 1500; i += 1) {
      const put = requestOf("PUT", `/v2/cache/manifests/other${i}`, { headers, body: bytes });
      expect((await registry.handler(put)).status).toBe(201);
    }
    expect(await requestsOf(update)).toMatchObject({ "GET tags": 4, "GET manifest": 1 });
  });
});

describe("with the six packages of greet", () => {
  /** From a home of its own: what was packed before is not remembered. */
  const push = (options: PushOptions = {}) =>
    machine.push(mirror, { specs: ["greet"], ...newHome(), ...options });
  const greet = "fnjwovnnel7zse6f4ljr3y6budjlpyrd";

  test("push asks eight times for a new package, and once for all that are there", async () => {
    expect(await requestsOf(push)).toEqual({
      "GET tags": 1,
      "HEAD blob": 12,
      "POST upload": 12,
      "PUT upload": 12,
      "HEAD manifest": 6,
      "PUT manifest": 6,
    });
    expect(await requestsOf(push)).toEqual({ "GET tags": 1 });
    await push({ updateIndex: true });
    expect(await requestsOf(() => push({ updateIndex: true }))).toEqual({
      "GET tags": 2,
      "GET index": 1,
      "GET blob": 1,
    });
  });

  test("push reads what is there by two requests for each package that a new one needs", async () => {
    await push({ specs: ["libgreet"] });
    const counts = await requestsOf(push);
    const there = counts["GET manifest"] ?? 0;
    const added = counts["PUT manifest"] ?? 0;
    expect(there + added).toBe(6);
    expect(counts).toEqual({
      "GET tags": 1,
      "GET manifest": there,
      "GET blob": there,
      "HEAD blob": 2 * added,
      "POST upload": 2 * added,
      "PUT upload": 2 * added,
      "HEAD manifest": added,
      "PUT manifest": added,
    });
  });

  test("list reads the index once, and asks later whether it is still the same", async () => {
    await push({ updateIndex: true });
    const home = newHome();
    const listAll = () => list({ mirror, ...home });
    expect(await requestsOf(listAll)).toEqual({ "HEAD index": 1, "GET index": 1, "GET blob": 1 });
    expect(await requestsOf(listAll)).toEqual({ "HEAD index": 1 });
  });

  test("install by hash needs no index: three requests for each package", async () => {
    await push();
    const home = newHome();
    const into = (store: string) => () =>
      install([`/${greet}`], { mirror, store: join(home.home, store), hostCompatible: false, ...home });
    expect(await requestsOf(into("one"))).toEqual({ "GET tags": 1, "GET manifest": 6, "GET blob": 12 });
    // Layers were kept; what a package needs is asked anew.
    expect(await requestsOf(into("two"))).toEqual({ "GET tags": 1, "GET manifest": 6, "GET blob": 6 });
  });

  test("install by spec asks for the index instead of the tags", async () => {
    await push({ updateIndex: true });
    const home = newHome();
    const run = () =>
      install(["greet"], { mirror, store: join(home.home, "store"), hostCompatible: false, ...home });
    expect(await requestsOf(run)).toEqual({
      "HEAD index": 1,
      "GET index": 1,
      "GET manifest": 6,
      "GET blob": 13,
    });
  });

  test("image reads each package by two requests, and the one asked for once more", async () => {
    await push({ updateIndex: true });
    const home = newHome();
    const compose = () => image(mirror, { ...home, specs: ["greet"], tag: "tool", check: false });
    expect(await requestsOf(compose)).toEqual({
      "HEAD index": 1,
      "GET index": 1,
      "GET manifest": 7,
      "GET blob": 1 + 7,
      // Its config and its manifest; all layers are there.
      "HEAD blob": 1,
      "POST upload": 1,
      "PUT upload": 1,
      "PUT manifest": 1,
    });
    expect(await requestsOf(compose)).toEqual({
      "HEAD index": 1,
      "GET manifest": 7,
      "GET blob": 7,
      "HEAD blob": 1,
      "PUT manifest": 1,
    });
  });

  test("prune reads each package once, by two requests, and the index", async () => {
    await push({ updateIndex: true });
    const prune = () => pruneMirror(mirror, { ...newHome(), keepLast: 1 });
    expect(await requestsOf(prune)).toEqual({
      "GET tags": 1,
      "GET index": 1,
      "GET manifest": 6,
      "GET blob": 6,
    });
  });

  test("install from a lockfile asks for nothing but its packages", async () => {
    await push();
    const home = newHome();
    const lockfile = await writeLock(home.home);
    const run = () =>
      install([], { mirror, lockfile, store: join(home.home, "s"), hostCompatible: false, ...home });
    expect(await requestsOf(run)).toEqual({ "GET manifest": 6, "GET blob": 12 });
  });

  /** A lockfile with greet as its root, as Spack 1.x writes it. */
  async function writeLock(folder: string): Promise<string> {
    await using client = openTestClient(registry.url);
    const repository = client.open("cache");
    const tag = [...(await packageTags(repository)).values()].find((one) => one.includes(greet));
    const entry = tag === undefined ? undefined : await readEntry(repository, tag);
    mkdirSync(folder, { recursive: true });
    const file = join(folder, "spack.lock");
    writeFileSync(
      file,
      JSON.stringify({
        _meta: { "file-type": "spack-lockfile", "lockfile-version": 7, "specfile-version": 5 },
        roots: [{ hash: greet, spec: "greet" }],
        concrete_specs: Object.fromEntries(
          [...(entry?.graph.nodes ?? [])].map(([hash, { node }]) => [hash, { ...node, hash }]),
        ),
      }),
    );
    return file;
  }
});
