import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readIndex } from "../../src/buildcache/oci-cache.js";
import { cli } from "../support/cli.js";
import { openTestClient } from "../support/client.js";
import { spackRoot } from "../support/fixtures.js";
import { pushingMachine, readWholeCache } from "../support/push.js";
import { startRegistry, type TestRegistry } from "../support/registry.js";
import { seeded } from "../support/seeded.js";

const machine = pushingMachine();
let registry: TestRegistry;
/** Told of each request before the registry is. */
let onRequest = (): void => {};
/** What a push that nothing disturbs leaves: tags with the digests of their manifests. */
let wanted: ReadonlyMap<string, string>;
/** Requests that it takes. */
let requests = 0;

beforeAll(async () => {
  registry = await startRegistry({
    wrap: (handler) => (request) => {
      onRequest();
      return handler(request);
    },
  });
  await ended(startPush("undisturbed"));
  requests = registry.requests.length;
  await using client = openTestClient(registry.url);
  wanted = await readWholeCache(client.open("undisturbed"));
});
afterAll(async () => {
  await registry.close();
  machine[Symbol.dispose]();
});

function startPush(repository: string): ChildProcess {
  const mirror = `oci+http://${registry.host}/${repository}`;
  const args = ["buildcache", "push", "--store", spackRoot, "--sysroot", machine.locate("/"), "-j", "2"];
  return spawn(process.execPath, [cli, ...args, "--update-index", "-q", mirror, "greet"], {
    env: {
      PATH: process.env["PATH"],
      HOME: machine.home,
      SPACK_USER_CONFIG_PATH: join(machine.home, "spack"),
    },
    stdio: "ignore",
  });
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "close");
  return child.exitCode;
}

const seeds = Array.from({ length: process.env["STOWAGE_SOAK"] ? 100 : 6 }, (_, i) => i + 1);

test.each(seeds)(
  "a push that is killed leaves nothing wrong, and the next completes it (seed %i)",
  async (seed) => {
    expect(wanted.size).toBe(6);
    const random = seeded(seed);
    const name = `killed${seed}`;
    // At a request, or some time after it, when the next ones are being made.
    let left = 1 + Math.floor(random() * requests);
    const child = startPush(name);
    onRequest = () => {
      left -= 1;
      if (left === 0) void sleep(random() * 30).then(() => child.kill("SIGKILL"));
    };
    await ended(child);
    onRequest = () => {};

    await using client = openTestClient(registry.url);
    const repository = client.open(name);
    for (const [tag, digest] of await readWholeCache(repository))
      expect([tag, wanted.get(tag)]).toEqual([tag, digest]);
    const index = await readIndex(repository);
    for (const hash of index?.index.present ?? [])
      expect([...wanted.keys()].some((tag) => tag.includes(hash))).toBe(true);

    expect(await ended(startPush(name))).toBe(0);
    expect(await readWholeCache(repository)).toEqual(wanted);
    expect((await readIndex(repository))?.index.present.size).toBe(wanted.size);
    const scratch = join(machine.home, ".stowage/cache/push");
    expect(existsSync(scratch) ? readdirSync(scratch) : []).toEqual([]);
  },
);
