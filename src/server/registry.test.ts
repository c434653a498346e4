import { expect, test } from "vitest";
import { concat, readAll, utf8 } from "../base/bytes.js";
import { digestOf } from "../oci/digest.js";
import { mediaTypes } from "../oci/media-types.js";
import { type Handler, type Response, requestOf } from "./http.js";
import { createMemoryStorage } from "./memory-storage.js";
import { createRegistry } from "./registry.js";

const registry = (): Handler => createRegistry({ storage: createMemoryStorage({ clock: { now: () => 0 } }) });

const blob = utf8("a blob");
const digest = digestOf(blob);

async function bodyOf({ body = new Uint8Array() }: Response): Promise<Uint8Array> {
  return body instanceof Uint8Array ? body : readAll(body, { limit: 1e6, subject: "body" });
}
const textOf = async (response: Response): Promise<string> =>
  new TextDecoder().decode(await bodyOf(response));

async function pushBlob(handle: Handler, name: string, bytes: Uint8Array): Promise<Response> {
  return handle(requestOf("POST", `/v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`, { body: bytes }));
}

const imageOf = (...layers: Uint8Array[]) =>
  utf8(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: { mediaType: "application/x", digest: digestOf(utf8("{}")), size: 2 },
      layers: layers.map((bytes) => ({ mediaType: "x/y", digest: digestOf(bytes), size: bytes.byteLength })),
    }),
  );

const pushManifest = (handle: Handler, path: string, body: Uint8Array): Promise<Response> =>
  handle(requestOf("PUT", path, { body, headers: { "Content-Type": mediaTypes.ociManifest } }));

test("a blob pushed in chunks is pulled whole, and in ranges", async () => {
  const handle = registry();
  const { headers } = await handle(requestOf("POST", "/v2/a/b/blobs/uploads/"));
  const session = headers["Location"] ?? "";
  const first = await handle(
    requestOf("PATCH", session, { body: blob.subarray(0, 2), headers: { "Content-Range": "0-1" } }),
  );
  expect([first.status, first.headers["Range"]]).toEqual([202, "0-1"]);
  const again = await handle(
    requestOf("PATCH", session, { body: blob.subarray(0, 2), headers: { "Content-Range": "0-1" } }),
  );
  expect([again.status, again.headers["Range"]]).toEqual([416, "0-1"]);
  const closing = requestOf("PUT", `${session}?digest=${digest}`, {
    body: blob.subarray(2),
    headers: { "Content-Range": "2-5" },
  });
  expect((await handle(closing)).status).toBe(201);

  const whole = await handle(requestOf("GET", `/v2/a/b/blobs/${digest}`));
  expect([whole.status, await textOf(whole)]).toEqual([200, "a blob"]);
  for (const [range, status, text] of [
    ["bytes=2-", 206, "blob"],
    ["bytes=-3", 206, "lob"],
    ["bytes=0-0", 206, "a"],
    ["bytes=0-99", 206, "a blob"],
    ["bytes=0-1,3-4", 200, "a blob"],
  ] as const) {
    const part = await handle(requestOf("GET", `/v2/a/b/blobs/${digest}`, { headers: { Range: range } }));
    expect([range, part.status, await textOf(part)]).toEqual([range, status, text]);
    expect(part.headers["Content-Length"]).toBe(String(text.length));
  }
  const past = await handle(requestOf("GET", `/v2/a/b/blobs/${digest}`, { headers: { Range: "bytes=6-" } }));
  expect([past.status, past.headers["Content-Range"]]).toEqual([416, "bytes */6"]);
});

test("an upload whose bytes have another digest is refused and over", async () => {
  const handle = registry();
  const { headers } = await handle(requestOf("POST", "/v2/a/blobs/uploads/"));
  const session = headers["Location"] ?? "";
  const closed = await handle(requestOf("PUT", `${session}?digest=${digest}`, { body: utf8("other") }));
  expect([closed.status, JSON.parse(await textOf(closed)).errors[0].code]).toEqual([400, "DIGEST_INVALID"]);
  expect((await handle(requestOf("GET", session))).status).toBe(404);
});

test("a manifest is refused while a blob of it is missing", async () => {
  const handle = registry();
  await pushBlob(handle, "a", utf8("{}"));
  const refused = await pushManifest(handle, "/v2/a/manifests/1", imageOf(blob));
  expect(JSON.parse(await textOf(refused)).errors[0]).toMatchObject({
    code: "MANIFEST_BLOB_UNKNOWN",
    detail: { digest },
  });
  await pushBlob(handle, "a", blob);
  expect((await pushManifest(handle, "/v2/a/manifests/1", imageOf(blob))).status).toBe(201);
});

test("a manifest larger than the limit is refused before it is read", async () => {
  const handle = createRegistry({
    storage: createMemoryStorage({ clock: { now: () => 0 } }),
    manifestBytes: 100,
  });
  const long = concat([utf8("{}"), utf8(" ".repeat(99))]);
  expect((await pushManifest(handle, "/v2/a/manifests/1", long)).status).toBe(413);
});

test("tags are listed in pages, and a page follows a tag that is gone", async () => {
  const handle = registry();
  await pushBlob(handle, "a", utf8("{}"));
  const bytes = imageOf();
  const tags = ["b", "a", "C", "d"];
  const pushed = await pushManifest(
    handle,
    `/v2/a/manifests/${digestOf(bytes)}?${tags.map((tag) => `tag=${tag}`).join("&")}`,
    bytes,
  );
  expect(pushed.headers["OCI-Tag"]).toBe("b, a, C, d");
  const page = await handle(requestOf("GET", "/v2/a/tags/list?n=2"));
  expect(JSON.parse(await textOf(page))).toEqual({ name: "a", tags: ["C", "a"] });
  expect(page.headers["Link"]).toBe('</v2/a/tags/list?n=2&last=a>; rel="next"');
  expect((await handle(requestOf("DELETE", "/v2/a/manifests/a"))).status).toBe(202);
  const next = await handle(requestOf("GET", "/v2/a/tags/list?n=2&last=a"));
  expect(JSON.parse(await textOf(next)).tags).toEqual(["b", "d"]);
  expect(next.headers["Link"]).toBeUndefined();
});

test("referrers come with their artifact type and annotations, and are filtered", async () => {
  const handle = registry();
  await pushBlob(handle, "a", utf8("{}"));
  const image = imageOf();
  await pushManifest(handle, "/v2/a/manifests/1", image);
  const subject = { mediaType: mediaTypes.ociManifest, digest: digestOf(image), size: image.byteLength };
  for (const artifactType of ["x/sbom", "x/signature"]) {
    const artifact = {
      ...JSON.parse(new TextDecoder().decode(image)),
      artifactType,
      subject,
      annotations: { of: artifactType },
    };
    const bytes = utf8(JSON.stringify(artifact));
    const pushed = await pushManifest(handle, `/v2/a/manifests/${digestOf(bytes)}`, bytes);
    expect(pushed.headers["OCI-Subject"]).toBe(subject.digest);
  }
  const all = await handle(requestOf("GET", `/v2/a/referrers/${subject.digest}`));
  expect(JSON.parse(await textOf(all)).manifests).toHaveLength(2);
  const sboms = await handle(
    requestOf("GET", `/v2/a/referrers/${subject.digest}?artifactType=${encodeURIComponent("x/sbom")}`),
  );
  expect(sboms.headers["OCI-Filters-Applied"]).toBe("artifactType");
  expect(JSON.parse(await textOf(sboms)).manifests).toMatchObject([
    { artifactType: "x/sbom", annotations: { of: "x/sbom" }, mediaType: mediaTypes.ociManifest },
  ]);
});

test("a fault of the storage is a 500 without its secrets, and is reported", async () => {
  const errors: unknown[] = [];
  const storage = createMemoryStorage({ clock: { now: () => 0 } });
  const handle = createRegistry({
    storage: {
      ...storage,
      repository: () => {
        throw new Error("disk on fire at /secret");
      },
    },
    onError: (error) => errors.push(error),
  });
  const response = await handle(requestOf("GET", "/v2/a/tags/list"));
  expect([response.status, (await textOf(response)).includes("/secret")]).toEqual([500, false]);
  expect(errors).toHaveLength(1);
});
