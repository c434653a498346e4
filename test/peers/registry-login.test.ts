import { createServer } from "node:http";
import { createServer as createHttps } from "node:https";
import type { Server } from "node:net";
import { connect } from "node:net";
import { TLSSocket } from "node:tls";
import { afterAll, expect, test } from "vitest";
import { utf8 } from "../../src/base/bytes.js";
import { listen } from "../../src/io/server/listen.js";
import { contentOf } from "../../src/oci/content.js";
import type { Credential } from "../../src/oci/credential.js";
import { parseTag } from "../../src/oci/reference.js";
import { type Handler, jsonResponse, type Request } from "../../src/server/http.js";
import { createMemoryStorage } from "../../src/server/memory-storage.js";
import { createRegistry } from "../../src/server/registry.js";
import { openTestClient } from "../support/client.js";
import { pem, startRegistry } from "../support/registry.js";

const alice = { username: "alice", password: "secret" };
const htpasswd = { alice: "secret" };
const tag = parseTag("v1");
const blobs = Array.from({ length: 20 }, (_, i) => contentOf(utf8(`blob ${i}`)));
const tokensOf = (requests: readonly Request[]): readonly Request[] =>
  requests.filter(({ path }) => path === "/token");

test("twenty uploads at once ask for one token", async () => {
  await using registry = await startRegistry({ htpasswd, token: true });
  await using client = openTestClient(registry.url, { login: alice });
  await Promise.all(blobs.map((blob) => client.open("a").blobs.write(blob)));
  expect(tokensOf(registry.requests)).toHaveLength(1);
  expect(tokensOf(registry.requests)[0]?.query.getAll("scope")).toEqual(["repository:a:pull,push"]);
});

/** A registry that asks for tokens in its own way. */
async function withTokens(
  challenge: (origin: string) => string,
  token: Handler,
  isGood = (bearer: string): boolean => bearer === "good",
) {
  const registry = createRegistry({ storage: createMemoryStorage({ clock: { now: () => 0 } }) });
  const asked: Request[] = [];
  const listening = await listen(async (request) => {
    asked.push(request);
    if (request.path === "/token") return token(request);
    return isGood((request.headers["authorization"] ?? "").replace("Bearer ", ""))
      ? registry(request)
      : { status: 401, headers: { "WWW-Authenticate": challenge(request.origin) } };
  });
  return { url: listening.url, asked, [Symbol.asyncDispose]: () => listening.close({ grace: 0 }) };
}

const formOf = async ({ body }: Request): Promise<URLSearchParams> => {
  let text = "";
  for await (const chunk of body) text += Buffer.from(chunk).toString();
  return new URLSearchParams(text);
};

test.each([
  ["with nothing but a realm", (origin: string) => `Bearer realm="${origin}/token"`],
  ["in lower case, partly without quotes, and a relative realm", () => 'bearer realm="/token",service=s'],
  ["after one by Basic", (origin: string) => `Basic realm="x", Bearer realm="${origin}/token",service="s"`],
])("a challenge %s is answered", async (_, challenge) => {
  await using registry = await withTokens(challenge, async () => jsonResponse({ access_token: "good" }));
  await using client = openTestClient(registry.url, { login: alice });
  expect(await client.open("a").manifests.read(tag)).toBeUndefined();
  const [asked] = tokensOf(registry.asked);
  expect(asked?.query.getAll("scope")).toEqual(["repository:a:pull"]);
  expect(asked?.headers["authorization"]).toBe(`Basic ${Buffer.from("alice:secret").toString("base64")}`);
});

test("a scope that the registry asks for is asked for from then on", async () => {
  await using registry = await withTokens(
    (origin) => `Bearer realm="${origin}/token",scope="repository:a:pull,push repository:b:pull"`,
    async () => jsonResponse({ token: "good", expires_in: 1 }),
  );
  await using client = openTestClient(registry.url);
  const { manifests } = client.open("a");
  await manifests.read(tag);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  // Old by now: renewed before it is used, without a 401 first.
  await manifests.read(tag);
  expect(registry.asked.map(({ path }) => path.replace(/.*\//, ""))).toEqual([
    "v1",
    "token",
    "v1",
    "token",
    "v1",
  ]);
  for (const asked of tokensOf(registry.asked)) {
    expect(asked.query.getAll("scope")).toEqual(["repository:a:pull,push", "repository:b:pull"]);
    expect(asked.headers["authorization"]).toBeUndefined();
  }
});

test("an identity token is exchanged by POST, and the one that comes back is used next", async () => {
  const forms: URLSearchParams[] = [];
  await using registry = await withTokens(
    (origin) => `Bearer realm="${origin}/token",service="s"`,
    async (request) => {
      forms.push(await formOf(request));
      return jsonResponse({
        access_token: "good",
        expires_in: 0.001,
        refresh_token: `refresh-${forms.length}`,
      });
    },
  );
  const identity: Credential = { type: "identity-token", token: "refresh-0", source: "the test" };
  await using client = openTestClient(registry.url, { credentials: { find: async () => identity } });
  for (let i = 0; i < 3; i += 1) {
    await client.open("a").manifests.read(tag);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(forms.map((form) => form.get("refresh_token"))).toEqual(["refresh-0", "refresh-1", "refresh-2"]);
  expect(Object.fromEntries(forms[0] ?? [])).toEqual({
    grant_type: "refresh_token",
    refresh_token: "refresh-0",
    client_id: "stowage",
    service: "s",
    scope: "repository:a:pull",
  });
});

test("a token that is revoked in the middle of a push is renewed, once for all", async () => {
  let given = 0;
  let used = 0;
  await using registry = await withTokens(
    (origin) => `Bearer realm="${origin}/token"`,
    async () => {
      given += 1;
      return jsonResponse({ token: `token-${given}` });
    },
    (bearer) => {
      if (bearer === "token-1") used += 1;
      return bearer === `token-${used > 30 ? 2 : 1}`;
    },
  );
  await using client = openTestClient(registry.url);
  await Promise.all(blobs.map((blob) => client.open("a").blobs.write(blob)));
  expect(given).toBe(2);
});

test("a token service that only takes POST gets one", async () => {
  await using registry = await withTokens(
    (origin) => `Bearer realm="${origin}/token"`,
    async (request) => {
      if (request.method !== "POST") return { status: 405, headers: {} };
      const form = await formOf(request);
      return form.get("password") === "secret"
        ? jsonResponse({ access_token: "good" })
        : { status: 401, headers: {} };
    },
  );
  await using client = openTestClient(registry.url, { login: alice });
  expect(await client.open("a").manifests.read(tag)).toBeUndefined();
});

test("a token service that is busy is asked again", async () => {
  let busy = 3;
  await using registry = await withTokens(
    (origin) => `Bearer realm="${origin}/token"`,
    async () => (busy-- > 0 ? { status: 503, headers: {} } : jsonResponse({ token: "good" })),
  );
  await using client = openTestClient(registry.url);
  expect(await client.open("a").manifests.read(tag)).toBeUndefined();
});

test.each([true, false])(
  "a login that is wrong, or missing, is a failure that says which (tokens: %s)",
  async (token) => {
    await using registry = await startRegistry({ htpasswd, token });
    const readWith = async (login?: typeof alice): Promise<unknown> => {
      await using client = openTestClient(registry.url, { login });
      return await client.open("a").manifests.read(tag);
    };
    await expect(readWith({ ...alice, password: "wrong" })).rejects.toMatchObject({
      kind: "denied",
      code: "registry.login-refused",
      message: expect.stringContaining("the test"),
    });
    await expect(readWith()).rejects.toMatchObject({
      kind: "denied",
      code: "registry.login-required",
      hint: expect.stringContaining(`stowage login ${registry.host}`),
    });
    expect(await readWith(alice)).toBeUndefined();
  },
);

/** Hosts that are not this machine can only be had through a proxy; this one is all of them itself. */
async function startProxy() {
  const registry = await startRegistry({ htpasswd });
  const seen: Request[] = [];
  const listening = await listen(async (request) => {
    seen.push(request);
    const { pathname } = new URL(request.path);
    return registry.handler({ ...request, path: pathname });
  });
  afterAll(async () => {
    await listening.close({ grace: 0 });
    await registry.close();
  });
  return { url: listening.url, seen };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

test("credentials do not go over http to another machine, unless that was asked for", async () => {
  const proxy = await startProxy();
  const readAs = async (insecure: boolean): Promise<unknown> => {
    await using client = openTestClient("http://registry.example", {
      login: alice,
      insecure,
      environment: { http_proxy: proxy.url },
    });
    return await client.open("a").manifests.read(tag);
  };
  await expect(readAs(false)).rejects.toMatchObject({
    code: "registry.login-required",
    message: expect.stringContaining("credentials are not sent over http"),
  });
  expect(proxy.seen.map(({ path }) => path)).toEqual(["http://registry.example/v2/a/manifests/v1"]);
  expect(proxy.seen.every(({ headers }) => headers["authorization"] === undefined)).toBe(true);
  expect(await readAs(true)).toBeUndefined();
});

test("https goes through a proxy's tunnel, and not where no_proxy says so", async () => {
  await using registry = await startRegistry({ tls: true });
  const { port } = new URL(registry.url);
  const asked: string[] = [];
  const proxy = createServer();
  proxy.on("connect", (request, socket) => {
    asked.push(request.url ?? "");
    const upstream = connect(Number(port), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const environment = { https_proxy: `http://127.0.0.1:${portOf(proxy)}` };
  const readWith = async (options: object): Promise<unknown> => {
    await using client = openTestClient(`https://registry.example:${port}`, { environment, ...options });
    return await client.open("a").manifests.read(tag);
  };
  try {
    expect(await readWith({ insecure: true })).toBeUndefined();
    expect(asked).toEqual([`registry.example:${port}`]);
    // Its certificate is for localhost.
    await expect(readWith({ tls: { ca: pem("ca") } })).rejects.toMatchObject({ code: "registry.tls" });
    const direct = { environment: { ...environment, no_proxy: "example" }, retry: { tries: 1 } };
    await expect(readWith(direct)).rejects.toMatchObject({ kind: "unavailable" });
    expect(asked).toHaveLength(2);
  } finally {
    proxy.close();
    proxy.closeAllConnections();
  }
});

test("a registry is trusted by its own authority, not without, and --insecure trusts any", async () => {
  await using registry = await startRegistry({ tls: true });
  const readWith = async (options: object): Promise<unknown> => {
    await using client = openTestClient(registry.url, options);
    return await client.open("a").manifests.read(tag);
  };
  await expect(readWith({})).rejects.toMatchObject({
    kind: "denied",
    code: "registry.tls",
    hint: expect.stringContaining("--ca"),
  });
  expect(await readWith({ tls: { ca: pem("ca") } })).toBeUndefined();
  expect(await readWith({ insecure: true })).toBeUndefined();
});

test("https to a registry that speaks http says so", async () => {
  await using registry = await startRegistry();
  await using client = openTestClient(registry.url.replace("http:", "https:"));
  await expect(client.open("a").manifests.read(tag)).rejects.toMatchObject({
    code: "registry.tls",
    hint: expect.stringContaining("oci+http://"),
  });
});

test("a client certificate is shown to who asks for one", async () => {
  const subjects: string[] = [];
  const server = createHttps(
    { cert: pem("cert"), key: pem("key"), requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const { socket } = request;
      const certificate = socket instanceof TLSSocket ? socket.getPeerCertificate() : undefined;
      subjects.push(String(certificate?.subject?.CN ?? "nobody"));
      response.writeHead(404).end();
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `https://127.0.0.1:${portOf(server)}`;
  try {
    for (const tls of [{ ca: pem("ca"), cert: pem("cert"), key: pem("key") }, { ca: pem("ca") }]) {
      await using client = openTestClient(url, { tls });
      expect(await client.open("a").manifests.read(tag)).toBeUndefined();
    }
    expect(subjects).toEqual(["localhost", "nobody"]);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
