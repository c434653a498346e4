import { randomBytes } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { readAll, utf8 } from "../../src/base/bytes.js";
import { Failure } from "../../src/base/failure.js";
import { contentOf } from "../../src/oci/content.js";
import { digestOf } from "../../src/oci/digest.js";
import { encodeManifest } from "../../src/oci/manifest.js";
import { mediaTypes } from "../../src/oci/media-types.js";
import { parseTag } from "../../src/oci/reference.js";
import type { Repository } from "../../src/oci/repository.js";
import { openTestClient } from "../support/client.js";
import type { Fault } from "../support/faults.js";
import { startRegistry } from "../support/registry.js";
import { seeded } from "../support/seeded.js";

const soak = process.env["STOWAGE_SOAK"] !== undefined;

/** What passes by itself: every run with these ends well. What a failure must say where they never pass. */
const passing: readonly (readonly [name: string, fault: Fault, says: RegExp])[] = [
  ["429 with seconds", { status: 429, headers: { "Retry-After": "3" } }, /answered 429/],
  [
    "429 with a date",
    { status: 429, headers: { "Retry-After": new Date(Date.now() + 5000).toUTCString() } },
    /answered 429/,
  ],
  [
    "429 with milliseconds",
    { status: 429, body: "toomanyrequests: retry-after: 1.5ms, allowed: 44000/minute" },
    /answered 429/,
  ],
  [
    "403 of a secondary limit",
    { status: 403, body: "You have exceeded a secondary rate limit." },
    /answered 403/,
  ],
  ["408", { status: 408 }, /answered 408/],
  ["500", { status: 500 }, /answered 500/],
  [
    "502 with a page",
    { status: 502, headers: { "Content-Type": "text/html" }, body: "<html>" },
    /answered 502/,
  ],
  ["503 with seconds", { status: 503, headers: { "Retry-After": "1" } }, /answered 503/],
  ["504", { status: 504 }, /answered 504/],
  ["a reset before", "reset", /reset|closed/],
  ["a reset after", "reset-after", /reset|closed/],
  ["a cut upload", { cutUpload: 1000 }, /reset|closed/],
  ["a cut answer", { cutDownload: 20 }, /reset|closed|cut short/],
  ["a stall", "stall", /did not answer|took nothing/],
];

const blobs = [0, 10, 5_000, 300_000].map((size) => contentOf(randomBytes(size), mediaTypes.ociLayerGzip));
const image = encodeManifest({
  schemaVersion: 2,
  mediaType: mediaTypes.ociManifest,
  config: contentOf(utf8("{}"), mediaTypes.ociConfig).descriptor,
  layers: blobs.map(({ descriptor }) => descriptor),
});
const tag = parseTag("v1");

async function push(repository: Repository): Promise<void> {
  for (const blob of [contentOf(utf8("{}"), mediaTypes.ociConfig), ...blobs])
    await repository.blobs.write(blob);
  await repository.manifests.write(image, { tag });
}

/** What was pulled, as the digests of its bytes: never taken from what anyone said. */
async function pull(repository: Repository): Promise<string[]> {
  const manifest = await repository.manifests.read(tag);
  if (manifest === undefined) throw new Error("what was pushed is absent");
  const found: string[] = [digestOf(manifest.bytes)];
  for (const { descriptor } of blobs)
    found.push(digestOf(await readAll(repository.blobs.read(descriptor), { limit: 1e6, subject: "blob" })));
  return found;
}

const whole = [image, ...blobs].map(({ descriptor }) => descriptor.digest);

let choose: (request: number) => Fault | undefined = () => undefined;
let requests = 0;
const registry = await startRegistry({ fault: () => choose(requests++) });
afterAll(() => registry.close());
let runs = 0;

/** A push and a pull by a client of its own into a repository of its own; the result is the requests it took. */
async function run(faults: (request: number) => Fault | undefined, tries?: number): Promise<number> {
  const retry = tries === undefined ? {} : { tries };
  await using client = openTestClient(registry.url, { idleTimeout: 250, commitTimeout: 250, retry });
  const repository = client.open(`run/r${runs++}`);
  choose = faults;
  requests = 0;
  await push(repository);
  expect(await pull(repository)).toEqual(whole);
  const taken = requests;
  choose = () => undefined;
  await using witness = openTestClient(registry.url);
  expect(await pull(witness.open(repository.name))).toEqual(whole);
  return taken;
}

const clean = await run(() => undefined);

test("without faults no request is made twice", () => {
  // HEAD, POST, PUT for each blob, one PUT; then one GET for each.
  expect(clean).toBe(3 * (blobs.length + 1) + 1 + 1 + blobs.length);
});

test.each(passing)("%s, once, at each request: the run ends whole", async (name, fault) => {
  // Each stall takes its time.
  const step = soak ? 1 : fault === "stall" ? 7 : 3;
  for (let at = runs % step; at < clean; at += step) {
    let faults = 0;
    const taken = await run((request) => (request === at && faults++ === 0 ? fault : undefined));
    expect(taken, `${name} at request ${at}`).toBeLessThanOrEqual(clean + 6);
  }
});

test.each(passing)("%s, from one request on for ever: the failure names it", async (name, fault, says) => {
  const step = soak ? 3 : 11;
  for (let at = 0; at < clean; at += fault === "stall" ? clean - 2 : step) {
    const tries = fault === "stall" ? 2 : undefined;
    const faults = (request: number) => (request >= at ? fault : undefined);
    const error: unknown = await run(faults, tries).catch((e: unknown) => e);
    // A cut past the end of a small body is none: such a run ends well.
    if (typeof error === "number" && name.startsWith("a cut")) continue;
    expect(error, `${name} from request ${at}`).toBeInstanceOf(Failure);
    expect(error).toMatchObject({ message: expect.stringMatching(says), kind: "unavailable" });
    expect(requests - at).toBeLessThanOrEqual(40);
  }
});

test.each([
  ["a byte changed", "corrupt"],
  ["an answer shortened as if it were whole", { shorten: 1 }],
] as const)("%s: the run ends whole, or in a failure that says what is corrupt", async (_, fault) => {
  for (let at = 0; at < clean; at += 1) {
    const error: unknown = await run((request) => (request === at ? fault : undefined)).catch(
      (e: unknown) => e,
    );
    if (typeof error !== "number") expect(error, `request ${at}`).toMatchObject({ kind: "corrupt" });
  }
});

const seeds = Array.from({ length: soak ? 200 : 15 }, (_, i) => i + 1);

test("faults at random, in one request of eight: every run ends whole, within the budget", async () => {
  for (const seed of seeds) {
    const random = seeded(seed);
    let faults = 0;
    const taken = await run(() => {
      if (random() > 1 / 8) return undefined;
      faults += 1;
      return passing[Math.floor(random() * passing.length)]?.[1];
    });
    expect(taken, `seed ${seed}`).toBeLessThanOrEqual(clean + 6 * faults);
  }
}, 900_000);
