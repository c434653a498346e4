import { afterAll, expect, test } from "vitest";
import { Failure } from "../../src/base/failure.js";
import { readIndex } from "../../src/buildcache/oci-cache.js";
import { openTestClient } from "../support/client.js";
import type { Fault } from "../support/faults.js";
import { pushingMachine, readWholeCache } from "../support/push.js";
import { startRegistry } from "../support/registry.js";
import { seeded } from "../support/seeded.js";

const machine = pushingMachine();
afterAll(() => machine[Symbol.dispose]());

const faults: readonly Fault[] = [
  "reset",
  "reset-after",
  { status: 500 },
  { status: 503, headers: { "Retry-After": "0" } },
  { status: 429, headers: { "Retry-After": "0" } },
  { status: 404 },
  { status: 403 },
  { status: 413 },
  { status: 507 },
  { cutUpload: 1000 },
  { cutDownload: 100 },
  { shorten: 10 },
  "corrupt",
  { delay: 50 },
];

const seeds = Array.from({ length: process.env["STOWAGE_SOAK"] ? 300 : 8 }, (_, i) => i + 1);

test.each(seeds)(
  "a push to a registry with faults is complete, or names what failed (seed %i)",
  async (seed) => {
    const random = seeded(seed);
    // From a fault here and there to every second answer.
    const rate = random() ** 3 / 2;
    let healthy = false;
    await using registry = await startRegistry({
      fault: ({ method }) => {
        if (healthy || random() >= rate) return undefined;
        const fault = faults[Math.floor(random() * faults.length)];
        // Nothing to be changed in an answer without body.
        return method === "HEAD" && fault === "corrupt" ? undefined : fault;
      },
    });
    const mirror = `oci+http://${registry.host}/cache`;
    let complete = false;
    try {
      const { pushed, failed, index } = await machine.push(mirror, { specs: ["greet"], updateIndex: true });
      const broken = index?.broken ?? [];
      complete = failed.length === 0 && broken.length === 0;
      expect(pushed.length + failed.length).toBe(6);
      for (const { failure } of failed) expect(failure.message).not.toBe("");
      // Only what came damaged twice or was said to be absent may be left out, not what the registry would not say.
      const mayBe = ({ kind, code }: { kind: string; code: string }): boolean =>
        kind === "corrupt" || code === "oci.blob-missing";
      expect(broken.filter(({ failure }) => !mayBe(failure))).toEqual([]);
    } catch (error) {
      // What stops all of it: the tags cannot be listed, or the index cannot be written.
      if (!(error instanceof Failure)) throw error;
    }
    healthy = true;
    await using client = openTestClient(registry.url);
    const repository = client.open("cache");
    const found = await readWholeCache(repository);
    if (complete) {
      expect(found.size).toBe(6);
      expect((await readIndex(repository))?.index.present.size).toBe(6);
    }
    const rest = await machine.push(mirror, { specs: ["greet"], updateIndex: true });
    expect(rest.failed).toEqual([]);
    expect((await readWholeCache(repository)).size).toBe(6);
    expect((await readIndex(repository))?.index.present.size).toBe(6);
  },
);
