import { randomBytes } from "node:crypto";
import { connect, createServer } from "node:net";
import { expect, test } from "vitest";
import { type Bytes, readAll, utf8 } from "../../src/base/bytes.js";
import { mapLimited } from "../../src/base/limit.js";
import { listen } from "../../src/io/server/listen.js";
import { contentOf } from "../../src/oci/content.js";
import type { Content } from "../../src/oci/descriptor.js";
import { digestOf } from "../../src/oci/digest.js";
import { parseTag } from "../../src/oci/reference.js";
import type { Repository } from "../../src/oci/repository.js";
import type { Request } from "../../src/server/http.js";
import { createMemoryStorage } from "../../src/server/memory-storage.js";
import { createRegistry } from "../../src/server/registry.js";
import { openTestClient } from "../support/client.js";
import { missingProgram, startDockerRegistry } from "../support/peers.js";
import { startRegistry } from "../support/registry.js";

/** A blob whose bytes come in small chunks, as from a file. */
function blobOf(size: number): Content {
  const bytes = randomBytes(size);
  return {
    ...contentOf(bytes),
    async *open(): Bytes {
      for (let at = 0; at < size; at += 16_384) yield bytes.subarray(at, at + 16_384);
    },
  };
}

const pull = async ({ blobs }: Repository, { descriptor }: Content): Promise<string> =>
  digestOf(await readAll(blobs.read(descriptor), { limit: 1e8, subject: "blob" }));

const steps = (requests: readonly Request[]): string[] =>
  requests.map(({ method, headers }) =>
    [method, headers["range"] ?? headers["content-range"] ?? ""].join(" ").trim(),
  );

test("a download goes on where it broke", async () => {
  let cuts = 3;
  await using registry = await startRegistry({
    fault: ({ method }) => (method === "GET" && cuts-- > 0 ? { cutDownload: 300_000 } : undefined),
  });
  await using client = openTestClient(registry.url);
  const blob = blobOf(1_000_000);
  const repository = client.open("a");
  await repository.blobs.write(blob);
  expect(await pull(repository, blob)).toBe(blob.descriptor.digest);
  const ranges = steps(registry.requests.filter(({ method }) => method === "GET"));
  expect(ranges).toHaveLength(4);
  expect(ranges[0]).toBe("GET");
  expect(ranges.slice(1).every((step) => /^GET bytes=[1-9]\d{5}-$/.test(step))).toBe(true);
});

test("a download from a registry without ranges leaves out what it has", async () => {
  let cuts = 1;
  await using registry = await startRegistry({
    fault: ({ method }) => (method === "GET" && cuts-- > 0 ? { cutDownload: 300_000 } : undefined),
    wrap: (handle) => (request) => handle({ ...request, headers: { ...request.headers, range: undefined } }),
  });
  await using client = openTestClient(registry.url);
  const blob = blobOf(1_000_000);
  await client.open("a").blobs.write(blob);
  expect(await pull(client.open("a"), blob)).toBe(blob.descriptor.digest);
});

test("an upload goes on at the offset that the registry names, and is not sent whole again", async () => {
  let cuts = 2;
  await using registry = await startRegistry({
    fault: ({ method }) => (/PUT|PATCH/.test(method) && cuts-- > 0 ? { cutUpload: 300_000 } : undefined),
  });
  await using client = openTestClient(registry.url);
  const blob = blobOf(1_000_000);
  expect(await client.open("a").blobs.write(blob)).toBe("written");
  expect(await pull(client.open("a"), blob)).toBe(blob.descriptor.digest);
  const asked = steps(registry.requests);
  expect(asked.slice(0, 3)).toEqual(["HEAD", "POST", "PUT"]);
  expect(asked.filter((step) => step.startsWith("PATCH")).map((step) => step.replace(/\d+/, "N"))).toEqual([
    "PATCH N-999999",
    "PATCH N-999999",
  ]);
});

test("an upload that is too large for one request is sent in pieces", async () => {
  const most = 1_500_000;
  await using registry = await startRegistry({
    fault: ({ headers }) => (Number(headers["content-length"] ?? 0) > most ? { status: 413 } : undefined),
  });
  await using client = openTestClient(registry.url);
  const blob = blobOf(5_000_000);
  expect(await client.open("a").blobs.write(blob)).toBe("written");
  expect(await pull(client.open("a"), blob)).toBe(blob.descriptor.digest);
  const sizes = registry.requests.map(({ headers }) => Number(headers["content-length"] ?? 0));
  expect(sizes.filter((size) => size > 0 && size <= most)).toHaveLength(4);
});

test("a commit whose answer is lost is looked for, not done again", async () => {
  await using registry = await startRegistry({
    fault: ({ method }, seen) => (method === "PUT" && seen === 1 ? "reset-after" : undefined),
  });
  await using client = openTestClient(registry.url);
  const blob = blobOf(100_000);
  expect(await client.open("a").blobs.write(blob)).toBe("written");
  expect(steps(registry.requests)).toEqual(["HEAD", "POST", "PUT", "GET", "HEAD"]);
});

test("a commit that takes long is waited for", async () => {
  await using registry = await startRegistry({
    fault: ({ method }) => (method === "PUT" ? { delay: 1500 } : undefined),
  });
  await using client = openTestClient(registry.url, { idleTimeout: 200, commitTimeout: 20_000 });
  expect(await client.open("a").blobs.write(blobOf(100_000))).toBe("written");
  expect(registry.requests.filter(({ method }) => method === "PUT")).toHaveLength(1);
});

test("a blob comes from storage that the registry redirects to, also where that breaks", async () => {
  const blob = blobOf(500_000);
  let cuts = 1;
  await using storage = await startRegistry({
    fault: ({ method }) => (method === "GET" && cuts-- > 0 ? { cutDownload: 100_000 } : undefined),
  });
  await using registry = await startRegistry({
    wrap: (handle) => async (request) =>
      request.method === "GET"
        ? { status: 307, headers: { Location: `${storage.url}${request.path}?signature=x` } }
        : handle(request),
  });
  await using direct = openTestClient(storage.url);
  await direct.open("a").blobs.write(blob);
  await using client = openTestClient(registry.url);
  expect(await pull(client.open("a"), blob)).toBe(blob.descriptor.digest);
  expect(storage.requests.some(({ headers }) => headers["range"] !== undefined)).toBe(true);
});

test("a registry behind a proxy that names itself by http, with absolute URLs, is still asked as before", async () => {
  await using registry = await startRegistry({
    wrap: (handle) => async (request) => {
      const response = await handle(request);
      const location = response.headers["Location"];
      if (location === undefined) return response;
      const { pathname, search } = new URL(location, request.origin);
      return {
        ...response,
        headers: { ...response.headers, Location: `${request.origin}${pathname}${search}` },
      };
    },
  });
  await using client = openTestClient(registry.url);
  const blob = blobOf(10_000);
  expect(await client.open("a").blobs.write(blob)).toBe("written");
  expect(await pull(client.open("a"), blob)).toBe(blob.descriptor.digest);
});

test("a registry at an IPv6 address is reached", async () => {
  const storage = createMemoryStorage({ clock: { now: () => Date.now() } });
  const listening = await listen(createRegistry({ storage }), { host: "::1" });
  try {
    expect(listening.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    await using client = openTestClient(listening.url);
    const blob = blobOf(10_000);
    expect(await client.open("a").blobs.write(blob)).toBe("written");
    expect(await pull(client.open("a"), blob)).toBe(blob.descriptor.digest);
  } finally {
    await listening.close({ grace: 0 });
  }
});

test("a transfer that is interrupted ends at once, as such", async () => {
  await using registry = await startRegistry({
    fault: ({ method }) => (method === "PUT" ? "stall" : undefined),
  });
  await using client = openTestClient(registry.url);
  const abort = new AbortController();
  const writing = client.open("a").blobs.write(blobOf(100_000), { signal: abort.signal });
  setTimeout(() => abort.abort(), 50);
  await expect(writing).rejects.toMatchObject({ kind: "interrupted" });
});

test("content that cannot be read fails as what it is, and is not tried again", async () => {
  await using registry = await startRegistry();
  await using client = openTestClient(registry.url);
  const { descriptor } = blobOf(100_000);
  let opened = 0;
  const broken: Content = {
    descriptor,
    async *open(): Bytes {
      opened += 1;
      yield new Uint8Array(10);
      throw new Error("the disk is gone");
    },
  };
  await expect(client.open("a").blobs.write(broken)).rejects.toThrow("the disk is gone");
  expect(opened).toBe(1);
  const short: Content = { descriptor, open: () => contentOf(new Uint8Array(10)).open() };
  await expect(client.open("a").blobs.write(short)).rejects.toMatchObject({ code: "oci.blob-corrupt" });
});

test("a registry that takes four requests at once gets no more after it has said so a few times", async () => {
  let running = 0;
  let refused = 0;
  await using registry = await startRegistry({
    wrap: (handle) => async (request) => {
      running += 1;
      try {
        await new Promise((resolve) => setTimeout(resolve, 2));
        if (running <= 4) return await handle(request);
        refused += 1;
        const body = utf8("toomanyrequests: retry-after: 0.3ms, allowed: 2000/minute");
        return { status: 429, headers: { "Content-Length": String(body.byteLength) }, body };
      } finally {
        running -= 1;
      }
    },
  });
  await using client = openTestClient(registry.url);
  const { blobs } = client.open("a");
  await mapLimited(
    Array.from({ length: 60 }, () => blobOf(1000)),
    30,
    (blob) => blobs.write(blob),
  );
  expect(refused).toBeGreaterThan(0);
  expect(refused).toBeLessThan(60);
});

test("two hundred requests under one signal are nothing to warn of", async () => {
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on("warning", note);
  await using registry = await startRegistry();
  await using client = openTestClient(registry.url);
  const { signal } = new AbortController();
  const { manifests } = client.open("a");
  await Promise.all(Array.from({ length: 200 }, (_, i) => manifests.read(parseTag(`t${i}`), { signal })));
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", note);
  expect(warnings).toEqual([]);
});

const missing = missingProgram("docker-registry");

test.skipIf(missing)(
  `docker-registry${missing ? ` (skipped: ${missing})` : ""} forgets an upload that broke, and gets it anew`,
  async () => {
    await using registry = await startDockerRegistry();
    // A line that breaks: twice, after so many bytes towards the registry.
    const sent: string[] = [];
    let breaks = 2;
    const line = createServer((near) => {
      const far = connect(Number(new URL(registry.url).port), "127.0.0.1");
      let passed = 0;
      near.on("data", (chunk) => {
        const head = /^(PUT|PATCH|POST|HEAD) \S+/.exec(chunk.toString("latin1", 0, 300));
        if (head !== null) sent.push(head[1] ?? "");
        passed += chunk.byteLength;
        far.write(chunk);
        if (passed < 400_000 || breaks === 0) return;
        breaks -= 1;
        near.resetAndDestroy();
        far.end();
      });
      near.on("error", () => far.destroy());
      far.on("error", () => near.destroy());
      far.pipe(near);
    });
    await new Promise<void>((resolve) => line.listen(0, "127.0.0.1", resolve));
    const address = line.address();
    const port = typeof address === "object" ? address?.port : undefined;
    try {
      await using client = openTestClient(`http://127.0.0.1:${port}`);
      const blob = blobOf(2_000_000);
      expect(await client.open("a").blobs.write(blob)).toBe("written");
      expect(await pull(client.open("a"), blob)).toBe(blob.descriptor.digest);
      expect(breaks).toBe(0);
      expect(sent.filter((method) => method === "POST")).toHaveLength(3);
    } finally {
      line.close();
    }
  },
);
