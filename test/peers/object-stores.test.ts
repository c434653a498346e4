import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readAll } from "../../src/base/bytes.js";
import type { ObjectStore } from "../../src/buildcache/object-store.js";
import { openHttpClient } from "../../src/io/http-client/http-client.js";
import { systemClock } from "../../src/io/system/clock.js";
import { openFileStore } from "../../src/io/url-mirror/file-store.js";
import { openBucket } from "../../src/io/url-mirror/s3-requests.js";
import { openS3Store } from "../../src/io/url-mirror/s3-store.js";
import { scratchDirectory } from "../support/fixtures.js";
import { goTool } from "../support/go-tools.js";
import { contentAt, objectOf, storeContract } from "../support/object-store-contract.js";
import { type S3Options, type S3Server, startS3 } from "../support/s3.js";
import { startVersitygw } from "../support/versitygw.js";

const account = { bucket: "cache", accessKeyId: "AKID", secretAccessKey: "secret/+key" };

function openS3(
  endpoint: string,
  {
    prefix = "some where/x+y",
    ...given
  }: Partial<typeof account> & { prefix?: string; sessionToken?: string } = {},
): AsyncDisposable & { readonly store: ObjectStore } {
  const client = openHttpClient({
    clock: { ...systemClock, sleep: async () => undefined },
    random: Math.random,
    environment: {},
  });
  const { bucket, ...credentials } = { ...account, ...given };
  const opened = openBucket(bucket, {
    client,
    clock: systemClock,
    credentials,
    endpoint,
    region: "us-east-1",
  });
  const store = openS3Store(opened, { label: `s3://${bucket}/${prefix}`, prefix });
  return { store, [Symbol.asyncDispose]: () => client.close() };
}

async function openFake(options: Partial<S3Options> = {}) {
  const server: S3Server = await startS3({ ...account, pageSize: 10, ...options });
  const { store, ...client } = openS3(server.endpoint);
  return {
    store,
    server,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe("a directory", () => {
  const open = async () => {
    const scratch = scratchDirectory();
    const store = openFileStore(join(scratch.path, "mirror"));
    return { store, path: scratch.path, [Symbol.asyncDispose]: async () => scratch[Symbol.dispose]() };
  };
  storeContract("directory", open);

  test("links in it are followed, and one that leads nowhere is none of its files", async () => {
    await using opened = await open();
    const { store, path } = opened;
    await store.write("v3/a/x", objectOf("x"));
    symlinkSync("a", join(path, "mirror/v3/b"));
    symlinkSync("nowhere", join(path, "mirror/v3/c"));
    const found: string[] = [];
    for await (const one of store.list?.("v3/") ?? []) found.push(one);
    expect(found.toSorted()).toEqual(["v3/a/x", "v3/b/x"]);
  });

  test("no name leads out of it", async () => {
    await using opened = await open();
    for (const path of ["../x", "v3/../../x", "a/./b"])
      await expect(opened.store.read(path)).rejects.toMatchObject({ code: "mirror.path-unsafe" });
  });
});

describe("an S3 bucket", () => {
  storeContract("fake", () => openFake());

  test("with a session token, and without credentials that fit", async () => {
    await using fake = await openFake({ sessionToken: "token" });
    await expect(fake.store.stat("a")).rejects.toMatchObject({ code: "s3.denied", kind: "denied" });
    await using known = openS3(fake.server.endpoint, { sessionToken: "token" });
    expect(await known.store.stat("a")).toBeUndefined();
    await using wrong = openS3(fake.server.endpoint, { secretAccessKey: "other", sessionToken: "token" });
    await expect(wrong.store.write("a", objectOf("x"))).rejects.toThrow("SignatureDoesNotMatch");
  });

  test("a bucket that is missing is no mirror without packages", async () => {
    await using fake = await openFake();
    await using other = openS3(fake.server.endpoint, { bucket: "other" });
    await expect(other.store.stat("a")).rejects.toMatchObject({ code: "s3.bucket-missing" });
    await expect(other.store.read("a")).rejects.toMatchObject({ code: "s3.bucket-missing" });
  });

  test.each(["slow-down", "reset"] as const)(
    "it goes on where every first request meets a %s",
    async (fault) => {
      await using fake = await openFake({ fault: (_, seen) => (seen === 1 ? fault : undefined) });
      const bytes = Buffer.alloc(17 * 1024 * 1024, "x");
      await fake.store.write("large", objectOf(bytes));
      await fake.store.write("small", objectOf("small"));
      expect(await contentAt(fake.store, "small")).toBe("small");
      expect(fake.server.uploads.size).toBe(0);
      const found: string[] = [];
      for await (const path of fake.store.list?.("") ?? []) found.push(path);
      expect(found.toSorted()).toEqual(["large", "small"]);
    },
  );

  test("a download that breaks off goes on where it was", async () => {
    await using fake = await openFake({
      fault: ({ method }, seen) => (method === "GET" && seen < 4 ? "cut" : undefined),
    });
    const bytes = Buffer.alloc(3 * 1024 * 1024, "stowage ");
    await fake.store.write("blob", objectOf(bytes));
    const found = await fake.store.read("blob");
    expect(found && bytes.equals(await readAll(found, { limit: 1 << 28, subject: "blob" }))).toBe(true);
  });

  test("a write that was given up leaves no parts behind", async () => {
    await using fake = await openFake();
    const size = 20 * 1024 * 1024;
    const broken = {
      size,
      async *open() {
        yield new Uint8Array(size - 1);
        throw new Error("gone");
      },
    };
    await expect(fake.store.write("large", broken)).rejects.toThrow("gone");
    expect(fake.server.uploads.size).toBe(0);
  });
});

const gateway = await goTool("github.com/versity/versitygw/cmd/versitygw", "v1.8.0");

describe.skipIf("missing" in gateway)("versitygw", () => {
  storeContract("versitygw", async () => {
    const server = await startVersitygw("path" in gateway ? gateway.path : "", account);
    const { store, ...client } = openS3(server.endpoint);
    return {
      store,
      async [Symbol.asyncDispose]() {
        await client[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  });
});
if ("missing" in gateway) test.skip(`versitygw cannot be had: ${gateway.missing}`, () => undefined);
