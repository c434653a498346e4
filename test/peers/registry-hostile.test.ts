import { inspect } from "node:util";
import { expect, test } from "vitest";
import { readAll, utf8 } from "../../src/base/bytes.js";
import { Failure } from "../../src/base/failure.js";
import { listen } from "../../src/io/server/listen.js";
import { contentOf } from "../../src/oci/content.js";
import { copy } from "../../src/oci/copy.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { decodeImageManifest, encodeManifest } from "../../src/oci/manifest.js";
import { mediaTypes } from "../../src/oci/media-types.js";
import { createMemoryRegistry } from "../../src/oci/memory.js";
import { parseRepositoryName, parseTag } from "../../src/oci/reference.js";
import type { Manifest, Repository } from "../../src/oci/repository.js";
import type { Request, Response } from "../../src/server/http.js";
import { openTestClient } from "../support/client.js";

const login = { username: "alice", password: "open sesame" };
const tag = parseTag("v1");
const blob = contentOf(utf8("a blob of 20 bytes.."));
const image = encodeManifest({ schemaVersion: 2, config: blob.descriptor, layers: [] });

type Says = (request: Request, count: number) => Partial<Response> | undefined;

/** A registry that says what a test makes it say, and 404 to the rest. */
async function startHostile(says: Says): Promise<{ url: string; asked: Request[] } & AsyncDisposable> {
  const asked: Request[] = [];
  const listening = await listen(async (request) => {
    asked.push(request);
    for await (const chunk of request.body) void chunk;
    return { status: 200, headers: {}, ...(says(request, asked.length) ?? { status: 404 }) };
  });
  return { url: listening.url, asked, [Symbol.asyncDispose]: () => listening.close({ grace: 0 }) };
}

async function refusal(says: Says, use: (repository: Repository) => Promise<unknown>): Promise<Failure> {
  await using registry = await startHostile(says);
  await using client = openTestClient(registry.url, { login, idleTimeout: 2000 });
  const error: unknown = await use(client.open("a/b")).then(
    (value) => `no failure but ${JSON.stringify(value)}`,
    (e: unknown) => e,
  );
  if (!(error instanceof Failure)) throw error;
  return error;
}

const pullBlob = ({ blobs }: Repository): Promise<unknown> =>
  readAll(blobs.read(blob.descriptor), { limit: 1e6, subject: "blob" });
const pushBlob = ({ blobs }: Repository): Promise<unknown> => blobs.write(blob);
const readTag = ({ manifests }: Repository): Promise<unknown> => manifests.read(tag);
async function listTags({ tags }: Repository): Promise<unknown> {
  const found = [];
  for await (const each of tags()) found.push(each);
  return found;
}
const take = (repository: Repository): Promise<unknown> =>
  copy(repository, createMemoryRegistry().repository(parseRepositoryName("local")), { reference: tag });

const body = (text: string, headers: Record<string, string> = {}): Partial<Response> => ({
  headers: { "Content-Length": String(utf8(text).byteLength), ...headers },
  body: utf8(text),
});
const json = (value: unknown, headers: Record<string, string> = {}): Partial<Response> =>
  body(JSON.stringify(value), { "Content-Type": "application/json", ...headers });
const page = { ...body("<!doctype html><title>Log in</title>", { "Content-Type": "text/html" }) };
const serve = (manifest: Manifest): Partial<Response> => ({
  headers: { "Content-Type": manifest.descriptor.mediaType },
  body: manifest.bytes,
});
const redirect = (location: string): Partial<Response> => ({ status: 307, headers: { Location: location } });
async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield new Uint8Array(65_536);
}
const started = (location: string): Partial<Response> => ({ status: 202, headers: { Location: location } });
/** An upload that goes well up to the answer to its commit. */
const committing =
  (answer: Partial<Response>): Says =>
  ({ method }) =>
    method === "POST" ? started("/v2/a/b/blobs/uploads/1") : method === "PUT" ? answer : undefined;

/** An index of an index of an index …, each honest. */
function nested(depth: number): Map<string, Manifest> {
  const found = new Map<string, Manifest>();
  let manifest = encodeManifest({ schemaVersion: 2, manifests: [] });
  for (let i = 0; i < depth; i += 1) {
    found.set(manifest.descriptor.digest, manifest);
    manifest = encodeManifest({ schemaVersion: 2, manifests: [manifest.descriptor] });
  }
  return found.set("v1", manifest);
}
const deep = nested(8);
const lying: Descriptor = { ...image.descriptor, mediaType: mediaTypes.ociIndex };

const cases: readonly (readonly [string, Says, (repository: Repository) => Promise<unknown>, string])[] = [
  ["a blob of another digest", () => body("a blob of 20 bytes,,"), pullBlob, "oci.blob-corrupt"],
  ["a blob of another size", () => body("a blob of 21 bytes..."), pullBlob, "oci.blob-corrupt"],
  [
    "a blob that is longer than promised",
    () => ({ body: bytes("a blob of 20 bytes... and more") }),
    pullBlob,
    "oci.blob-corrupt",
  ],
  ["a blob without end", () => ({ body: endless() }), pullBlob, "oci.blob-corrupt"],
  [
    "a blob in an encoding",
    () => body("a blob of 20 bytes..", { "Content-Encoding": "gzip" }),
    pullBlob,
    "registry.unexpected-answer",
  ],
  [
    "a blob whose rest is another part",
    (_, count) =>
      count === 1
        ? { headers: { "Content-Length": "20" }, body: broken("a blob") }
        : {
            status: 206,
            headers: { "Content-Range": "bytes 3-19/20", "Content-Length": "17" },
            body: utf8("lob of 20 bytes.."),
          },
    pullBlob,
    "registry.unexpected-answer",
  ],
  ["a manifest without end", () => ({ body: endless() }), readTag, "bytes.too-large"],
  [
    "a manifest of 100 MB",
    () => ({ headers: { "Content-Length": "100000000" }, body: endless() }),
    readTag,
    "bytes.too-large",
  ],
  [
    "a manifest of another digest than named",
    () => ({ ...serve(image), headers: { "Docker-Content-Digest": blob.descriptor.digest } }),
    readTag,
    "oci.blob-corrupt",
  ],
  [
    "a manifest that is an image and an index",
    () =>
      serve(
        encodeManifest({
          schemaVersion: 2,
          config: blob.descriptor,
          layers: [],
          ...{ manifests: [] },
          mediaType: mediaTypes.ociManifest,
        }),
      ),
    async (r) => {
      const found = await r.manifests.read(tag);
      return found && decodeImageManifest(found);
    },
    "oci.document-invalid",
  ],
  ["something that is no manifest", () => json({ message: "hello" }), readTag, "registry.unexpected-answer"],
  [
    "an index that names itself",
    ({ path }) =>
      path.endsWith("/v1")
        ? serve(encodeManifest({ schemaVersion: 2, manifests: [lying] }))
        : serve(encodeManifest({ schemaVersion: 2, manifests: [lying] })),
    take,
    "oci.blob-corrupt",
  ],
  [
    "indices in indices",
    ({ path }) => {
      const found = deep.get(path.split("/").at(-1) ?? "");
      return found && serve(found);
    },
    take,
    "oci.too-deep",
  ],
  [
    "pages without end",
    (_, count) => json({ tags: ["x"] }, { Link: `</v2/a/b/tags/list?last=${count}>; rel="next"` }),
    listTags,
    "registry.endless-list",
  ],
  [
    "pages in a circle",
    () => json({ tags: ["x"] }, { Link: '</v2/a/b/tags/list?n=1000>; rel="next"' }),
    listTags,
    "registry.endless-list",
  ],
  [
    "a next page at another host",
    () => json({ tags: ["x"] }, { Link: '<https://evil.example/v2/a/b/tags/list>; rel="next"' }),
    listTags,
    "registry.link-refused",
  ],
  ["tags that are none", () => json({ tags: ["../../etc/passwd"] }), listTags, "oci.tag-invalid"],
  ["tags that are no list", () => json({ tags: { x: 1 } }), listTags, "registry.unexpected-answer"],
  [
    "JSON cut short as if it were whole",
    () => body('{"tags": ["x"', { "Content-Type": "application/json" }),
    listTags,
    "oci.document-invalid",
  ],
  ["a web page instead of tags", () => page, listTags, "registry.not-a-registry"],
  ["a web page instead of a manifest", () => page, readTag, "registry.not-a-registry"],
  ["a web page that says 404", () => ({ ...page, status: 404 }), readTag, "registry.not-a-registry"],
  [
    "a 404 that is not about manifests",
    () => ({ ...json({ errors: [{ code: "BLOB_UPLOAD_UNKNOWN" }] }), status: 404 }),
    readTag,
    "registry.unexpected-answer",
  ],
  [
    "a redirect to where clouds keep secrets",
    () => redirect("http://169.254.169.254/latest/meta-data/iam"),
    pullBlob,
    "registry.redirect-refused",
  ],
  [
    "a redirect to another protocol",
    () => redirect("file:///etc/passwd"),
    pullBlob,
    "registry.redirect-refused",
  ],
  ["redirects in a circle", ({ path }) => redirect(path), pullBlob, "registry.too-many-redirects"],
  ["a redirect to nowhere", () => ({ status: 307 }), pullBlob, "registry.unexpected-answer"],
  [
    "an upload to where clouds keep secrets",
    ({ method }) => (method === "POST" ? started("http://[fe80::1]/x") : undefined),
    pushBlob,
    "registry.redirect-refused",
  ],
  [
    "an upload that is stored as something else",
    committing({ status: 201, headers: { "Docker-Content-Digest": image.descriptor.digest } }),
    pushBlob,
    "oci.digest-differs",
  ],
  [
    "an upload that is only said to be good",
    committing({ status: 200 }),
    pushBlob,
    "registry.unexpected-answer",
  ],
  ["200 for everything: a push", () => ({}), pushBlob, "registry.unexpected-answer"],
  ["200 and nothing for everything: a push", () => body(""), pushBlob, "oci.blob-corrupt"],
  [
    "200 for everything: a manifest",
    () => ({}),
    ({ manifests }) => manifests.write(image, { tag }),
    "registry.unexpected-answer",
  ],
  ["200 for everything: tags", () => ({}), listTags, "oci.document-invalid"],
  [
    "a token service where clouds keep secrets",
    () => ({ status: 401, headers: { "WWW-Authenticate": 'Bearer realm="http://169.254.169.254/token"' } }),
    readTag,
    "registry.redirect-refused",
  ],
  [
    "a token service without tokens",
    ({ path, origin }) =>
      path === "/token"
        ? json({ token: "" })
        : { status: 401, headers: { "WWW-Authenticate": `Bearer realm="${origin}/token"` } },
    readTag,
    "registry.unexpected-answer",
  ],
  [
    "tokens that never do",
    ({ path, origin }) =>
      path === "/token"
        ? json({ token: "abc" })
        : { status: 401, headers: { "WWW-Authenticate": `Bearer realm="${origin}/token"` } },
    readTag,
    "registry.login-refused",
  ],
  [
    "a login that we do not know",
    () => ({ status: 401, headers: { "WWW-Authenticate": "Negotiate, Digest realm=x" } }),
    readTag,
    "registry.login-unsupported",
  ],
  [
    "a wait of a day",
    () => ({ status: 429, headers: { "Retry-After": "86400" } }),
    readTag,
    "registry.rate-limited",
  ],
];

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield utf8(text);
}
async function* broken(text: string): AsyncGenerator<Uint8Array> {
  yield utf8(text);
  throw new Error("broken off");
}

test.each(cases)("%s is refused by name", async (_, says, use, code) => {
  const failure = await refusal(says, use);
  expect(failure).toMatchObject({ code });
  const all = inspect(failure, { depth: 10, showHidden: true });
  expect(all).not.toContain(login.password);
  expect(all).not.toContain(Buffer.from(`${login.username}:${login.password}`).toString("base64"));
});

test("storage at another host gets no credentials, nor does any but the registry when it asks for them", async () => {
  await using storage = await startHostile(({ path }) =>
    path === "/blob"
      ? body("a blob of 20 bytes..")
      : { status: 401, headers: { "WWW-Authenticate": 'Basic realm="me too"' } },
  );
  // Another port is another origin.
  await using registry = await startHostile(({ headers }) =>
    headers["authorization"] === undefined
      ? { status: 401, headers: { "WWW-Authenticate": 'Basic realm="x"' } }
      : redirect(`${storage.url}/blob`),
  );
  await using client = openTestClient(registry.url, { login });
  expect(await pullBlob(client.open("a/b"))).toEqual(Buffer.from("a blob of 20 bytes.."));
  expect(registry.asked.at(-1)?.headers["authorization"]).toMatch(/^Basic /);
  expect(storage.asked.map(({ headers }) => headers["authorization"])).toEqual([undefined]);

  await using other = await startHostile(() => redirect(`${storage.url}/elsewhere`));
  await using second = openTestClient(other.url, { login });
  await expect(pullBlob(second.open("a/b"))).rejects.toMatchObject({ code: "registry.storage-refused" });
  expect(storage.asked.every(({ headers }) => headers["authorization"] === undefined)).toBe(true);
});

test("who was sent to another host and back comes without credentials", async () => {
  let home = "";
  await using storage = await startHostile(() => redirect(`${home}/v2/a/b/blobs/back`));
  await using registry = await startHostile(({ path, headers }) => {
    if (headers["authorization"] === undefined)
      return { status: 401, headers: { "WWW-Authenticate": 'Basic realm="x"' } };
    return path.endsWith("/back") ? body("a blob of 20 bytes..") : redirect(storage.url);
  });
  home = registry.url;
  await using client = openTestClient(registry.url, { login });
  await expect(pullBlob(client.open("a/b"))).rejects.toMatchObject({ kind: "denied" });
  const back = registry.asked.filter(({ path }) => path.endsWith("/back"));
  expect(back.length).toBeGreaterThan(0);
  expect(back.every(({ headers }) => headers["authorization"] === undefined)).toBe(true);
});

test("what a registry says is shown without what a terminal would obey", async () => {
  const says = { ...json({ errors: [{ code: "NOPE", message: "\u001b[2J\u0007gone" }] }), status: 400 };
  const { message } = await refusal(() => says, readTag);
  expect(message).toContain("NOPE ( [2J gone)");
});
