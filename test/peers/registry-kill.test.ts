import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { checkRegistry, collectRegistry } from "../../src/app/serve.js";
import { readAll } from "../../src/base/bytes.js";
import { contentOf } from "../../src/oci/content.js";
import { digestOf } from "../../src/oci/digest.js";
import { encodeManifest } from "../../src/oci/manifest.js";
import { mediaTypes } from "../../src/oci/media-types.js";
import { parseTag } from "../../src/oci/reference.js";
import type { Repository } from "../../src/oci/repository.js";
import { openTestClient } from "../support/client.js";
import { scratchDirectory } from "../support/fixtures.js";

const stowage = fileURLToPath(new URL("../../dist/cli/stowage.js", import.meta.url));

interface Running {
  readonly url: string;
  readonly gone: Promise<void>;
  /** Ends it as a power cut would end the process: nothing runs afterwards. */
  kill(): Promise<void>;
}

/** The command itself, in a process of its own. */
async function start(root: string): Promise<Running> {
  const server = spawn(process.execPath, [stowage, "serve", "--root", root, "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const gone = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  return {
    url: await urlOf(server),
    gone,
    async kill() {
      server.kill("SIGKILL");
      await gone;
    },
  };
}

async function urlOf(server: ChildProcess): Promise<string> {
  let said = "";
  for await (const text of server.stderr ?? []) {
    said += text;
    const url = /at (http:\S+)/.exec(said)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error(`the registry did not start: ${said}`);
}

/** Random numbers that are the same for a seed. */
function randomOf(seed: number): () => number {
  let state = seed * 2_654_435_761;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

async function pushPackage({ blobs, manifests }: Repository, tag: string): Promise<string> {
  const config = contentOf(randomBytes(100), mediaTypes.ociConfig);
  const layer = contentOf(randomBytes(300_000), mediaTypes.ociLayerGzip);
  for (const blob of [config, layer]) await blobs.write(blob);
  const image = encodeManifest({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: [layer.descriptor],
  });
  await manifests.write(image, { tag: parseTag(tag) });
  return image.descriptor.digest;
}

const seeds = Array.from({ length: process.env["STOWAGE_SOAK"] ? 40 : 2 }, (_, i) => i + 1);

test.each(seeds)(
  "a registry killed during pushes has what it acknowledged, and takes the rest (seed %i)",
  async (seed) => {
    using scratch = scratchDirectory();
    const random = randomOf(seed);
    const acknowledged = new Map<string, string>();
    for (let life = 0; life < 3; life += 1) {
      const server = await start(scratch.path);
      let left = 1 + Math.floor(random() * 10);
      // One client a package, so that several requests are under way when it ends; none of them tries for long.
      await Promise.all(
        Array.from({ length: 4 }, async (_, lane) => {
          await using client = openTestClient(server.url, { retry: { tries: 1 } });
          for (let i = 0; ; i += 1) {
            const tag = `life${life}-lane${lane}-${i}`;
            try {
              acknowledged.set(tag, await pushPackage(client.open("cache"), tag));
              left -= 1;
              if (left === 0) setTimeout(() => void server.kill(), random() * 20);
            } catch {
              // The registry is gone, which is what this is about.
              return;
            }
          }
        }),
      );
      await server.gone;
      expect((await checkRegistry(scratch.path)).problems).toEqual([]);
    }
    const server = await start(scratch.path);
    try {
      await using client = openTestClient(server.url);
      const { manifests } = client.open("cache");
      for (const [tag, digest] of acknowledged) {
        const manifest = await manifests.read(parseTag(tag));
        expect([tag, manifest?.descriptor.digest]).toEqual([tag, digest]);
      }
      await pushPackage(client.open("cache"), "at-last");
    } finally {
      await server.kill();
    }
    await collectRegistry(scratch.path, { grace: 0 });
    const report = await checkRegistry(scratch.path);
    expect(report.problems).toEqual([]);
    // A config and a layer for each manifest, and nothing that belongs to none.
    expect(report.blobs).toBe(3 * report.manifests);
  },
);

test("an upload goes on where it was when the registry was killed", async () => {
  using scratch = scratchDirectory();
  const bytes = randomBytes(1_000_000);
  const first = await start(scratch.path);
  const begun = await fetch(`${first.url}/v2/cache/blobs/uploads/`, { method: "POST" });
  const session = begun.headers.get("location") ?? "";
  const patched = await fetch(`${first.url}${session}`, {
    method: "PATCH",
    body: bytes.subarray(0, 400_000),
  });
  expect(patched.status).toBe(202);
  await first.kill();

  const second = await start(scratch.path);
  try {
    const status = await fetch(`${second.url}${session}`);
    expect([status.status, status.headers.get("range")]).toEqual([204, "0-399999"]);
    const closed = await fetch(`${second.url}${session}?digest=${digestOf(bytes)}`, {
      method: "PUT",
      headers: { "Content-Range": "400000-999999" },
      body: bytes.subarray(400_000),
    });
    expect(closed.status).toBe(201);
    await using client = openTestClient(second.url);
    const descriptor = { mediaType: mediaTypes.ociLayer, digest: digestOf(bytes), size: bytes.byteLength };
    const back = await readAll(client.open("cache").blobs.read(descriptor), { limit: 1e7, subject: "blob" });
    expect(digestOf(back)).toBe(digestOf(bytes));
  } finally {
    await second.kill();
  }
});
