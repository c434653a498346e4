import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { Failure } from "../../base/failure.js";
import { createWorkers } from "./pool.js";

const scratch = mkdtempSync(join(tmpdir(), "stowage-workers-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const distribution = {
  sbangInstallPath: "/opt/store/bin/sbang",
  buildPath: "/opt/store",
  spackPrefix: "/opt/store",
  relativePrefix: "p",
  hashToPrefix: new Map([["h", "/opt/store/p"]]),
};

const directory = join(scratch, "p");
mkdirSync(directory);
writeFileSync(join(directory, "big"), Buffer.alloc(3_000_000, "text of /opt/store/p\n"));

test("run() packs a prefix in a thread, and says how far it is", async () => {
  await using workers = createWorkers({ threads: 2 });
  const out = join(scratch, "one.tar.gz");
  let advanced = 0;
  const result = await workers.run(
    "pack",
    { prefix: "/opt/store/p", directory, distribution, out },
    { advanced: (bytes) => (advanced += bytes) },
  );
  const gz = readFileSync(out);
  expect(gz.byteLength).toBe(result.size);
  expect(gunzipSync(gz).byteLength).toBe(result.contentSize);
  expect(advanced).toBe(result.contentSize);
  expect(result.distribution.relocateTextFiles).toEqual(["big"]);
});

test("run() gives the same bytes whatever the number of threads", async () => {
  await using workers = createWorkers({ threads: 2 });
  const results = await Promise.all(
    ["a", "b", "c"].map((name) =>
      workers.run("pack", { prefix: "/opt/store/p", directory, distribution, out: join(scratch, name) }),
    ),
  );
  expect(new Set(results.map(({ digest }) => digest)).size).toBe(1);
});

test("prepare() starts threads that tasks then run in, and what was never used is ended, too", async () => {
  let started = 0;
  const count = () => void started++;
  process.on("worker", count);
  onTestFinished(() => void process.off("worker", count));
  await using workers = createWorkers({ threads: 2 });
  workers.prepare();
  // Node tells of a thread in the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  expect(started).toBe(2);
  const pack = (name: string, urgency?: number) =>
    workers.run(
      "pack",
      { prefix: "/opt/store/p", directory, distribution, out: join(scratch, name) },
      { urgency },
    );
  const [one, two] = await Promise.all([pack("p1"), pack("p2", 1)]);
  expect(one.digest).toBe(two.digest);
  expect(started).toBe(2);
  await using unused = createWorkers({ threads: 1 });
  unused.prepare();
});

test("a Failure crosses threads with kind, code, hint, subject and cause", async () => {
  await using workers = createWorkers({ threads: 1 });
  const out = join(scratch, "failed.tar.gz");
  const error = await workers
    .run("pack", { prefix: "/opt/store/none", directory: join(scratch, "none"), distribution, out })
    .catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(Failure);
  expect(error).toMatchObject({
    kind: "not-found",
    code: "disk.missing",
    subject: join(scratch, "none"),
    cause: { code: "ENOENT" },
  });
  expect(existsSync(out)).toBe(false);
});

test("an aborted signal ends the task as interrupted, and leaves no file", async () => {
  await using workers = createWorkers({ threads: 1 });
  const out = join(scratch, "aborted.tar.gz");
  const large = join(scratch, "large");
  mkdirSync(large);
  writeFileSync(join(large, "hole"), "");
  truncateSync(join(large, "hole"), 1024 ** 3);
  const controller = new AbortController();
  const running = workers.run(
    "pack",
    { prefix: "/opt/store/large", directory: large, distribution, out },
    { signal: controller.signal, advanced: () => controller.abort() },
  );
  await expect(running).rejects.toMatchObject({ kind: "interrupted" });
  expect(existsSync(out)).toBe(false);
});

test("close() fails what still runs, and what waits", async () => {
  const workers = createWorkers({ threads: 1 });
  const pack = (name: string) =>
    workers.run("pack", { prefix: "/opt/store/p", directory, distribution, out: join(scratch, name) });
  const running = expect(pack("running.tar.gz")).rejects.toThrow("worker thread ended");
  const waiting = expect(pack("waiting.tar.gz")).rejects.toThrow("closed");
  await workers.close();
  await Promise.all([running, waiting]);
  expect(existsSync(join(scratch, "waiting.tar.gz"))).toBe(false);
});
