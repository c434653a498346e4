import bcrypt from "bcryptjs";
import { expect, test } from "vitest";
import { utf8 } from "../base/bytes.js";
import { digestOf } from "../oci/digest.js";
import type { Access } from "./access.js";
import { createBasicAccess } from "./basic-access.js";
import { parseHtpasswd } from "./htpasswd.js";
import { type Handler, requestOf } from "./http.js";
import { createMemoryStorage } from "./memory-storage.js";
import { createRegistry } from "./registry.js";
import { createTokenAccess } from "./token-access.js";

const users = parseHtpasswd(`alice:${bcrypt.hashSync("secret: ü", 4)}\n# nobody else\n`, "users");
const login = (user: string, password: string) => ({
  Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
});
const alice = login("alice", "secret: ü");

let now = 1_000_000_000_000;
const clock = { now: () => now };
const registryWith = (access: Access, readOnly = false): Handler =>
  createRegistry({ storage: createMemoryStorage({ clock }), access, readOnly });
const tokens = (options: { anonymousPull?: boolean; readOnly?: boolean } = {}): Handler =>
  registryWith(createTokenAccess({ users, key: new Uint8Array(32), now: clock.now, ...options }));

const push = `/v2/a/blobs/uploads/?digest=${digestOf(utf8("x"))}`;

async function json(
  handle: Handler,
  ...request: Parameters<typeof requestOf>
): Promise<Record<string, string>> {
  const { status, body } = await handle(requestOf(...request));
  expect(status).toBe(200);
  return body instanceof Uint8Array ? JSON.parse(new TextDecoder().decode(body)) : {};
}

test("Basic: a login is asked for, and the right one is enough", async () => {
  const handle = registryWith(createBasicAccess({ users }));
  const status = async (headers: Record<string, string>) =>
    (await handle(requestOf("GET", "/v2/", { headers }))).status;
  expect((await handle(requestOf("GET", "/v2/"))).headers["WWW-Authenticate"]).toMatch(/^Basic realm=/);
  expect(await status(alice)).toBe(200);
  expect(await status(alice)).toBe(200);
  for (const wrong of [login("alice", "Secret: ü"), login("bob", "secret: ü"), { Authorization: "Basic !" }])
    expect(await status(wrong)).toBe(401);
  expect((await handle(requestOf("GET", "/healthz"))).status).toBe(200);
});

test("Basic with anonymous pull: pulls are for everybody, /v2/ and pushes for users", async () => {
  const handle = registryWith(createBasicAccess({ users, anonymousPull: true }));
  const status = async (method: string, path: string, headers = {}) =>
    (await handle(requestOf(method, path, { headers, body: utf8(method === "POST" ? "x" : "") }))).status;
  expect(await status("GET", "/v2/a/tags/list")).toBe(404);
  expect([await status("GET", "/v2/"), await status("POST", push)]).toEqual([401, 401]);
  expect(await status("DELETE", "/v2/a/manifests/x")).toBe(401);
  expect(await status("POST", push, alice)).toBe(201);
  expect(await status("GET", "/v2/a/tags/list", login("alice", "wrong"))).toBe(401);
});

test("a token is asked for with realm, service and scope, and is for that scope alone", async () => {
  const handle = tokens();
  const refused = await handle(requestOf("POST", push));
  expect(refused.headers["WWW-Authenticate"]).toBe(
    'Bearer realm="http://localhost/token",service="stowage",scope="repository:a:pull,push"',
  );
  const { token = "" } = await json(
    handle,
    "GET",
    "/token?service=stowage&scope=repository:a:pull,push&scope=repository:b:pull",
    { headers: alice },
  );
  const bearer = { Authorization: `Bearer ${token}` };
  const status = async (method: string, path: string) =>
    (await handle(requestOf(method, path, { headers: bearer, body: utf8(method === "POST" ? "x" : "") })))
      .status;
  expect(await status("POST", push)).toBe(201);
  expect([await status("GET", "/v2/"), await status("GET", "/v2/b/tags/list")]).toEqual([200, 404]);
  const over = await handle(requestOf("DELETE", "/v2/a/manifests/x", { headers: bearer }));
  expect([over.status, over.headers["WWW-Authenticate"]]).toEqual([
    401,
    expect.stringContaining('scope="repository:a:delete",error="insufficient_scope"'),
  ]);
  expect(await status("POST", push.replace("/a/", "/b/"))).toBe(401);
});

test("a token that has expired, or was changed, is refused as invalid", async () => {
  const handle = tokens();
  const { token = "" } = await json(handle, "GET", "/token", { headers: alice });
  const ask = async (bearer: string) => {
    const { status, headers } = await handle(
      requestOf("GET", "/v2/", { headers: { Authorization: `Bearer ${bearer}` } }),
    );
    return [status, headers["WWW-Authenticate"]?.includes('error="invalid_token"')];
  };
  expect(await ask(token)).toEqual([200, undefined]);
  const [head, payload = "", signature] = token.split(".");
  const forged = Buffer.from(Buffer.from(payload, "base64url").toString().replace("alice", "mallory"));
  expect(await ask(`${head}.${forged.toString("base64url")}.${signature}`)).toEqual([401, true]);
  expect(await ask("x.y.z")).toEqual([401, true]);
  now += 301_000;
  expect(await ask(token)).toEqual([401, true]);
});

test("a refresh token gives access tokens, and opens nothing itself", async () => {
  const handle = tokens();
  const form = (fields: Record<string, string>) => ({ body: utf8(new URLSearchParams(fields).toString()) });
  const first = await json(
    handle,
    "POST",
    "/token",
    form({ grant_type: "password", username: "alice", password: "secret: ü", access_type: "offline" }),
  );
  const refresh = first["refresh_token"] ?? "";
  const next = await json(
    handle,
    "POST",
    "/token",
    form({ grant_type: "refresh_token", refresh_token: refresh, scope: "repository:a:pull" }),
  );
  const status = async (bearer = "") =>
    (await handle(requestOf("GET", "/v2/a/tags/list", { headers: { Authorization: `Bearer ${bearer}` } })))
      .status;
  expect(await status(next["access_token"])).toBe(404);
  expect(await status(refresh)).toBe(401);
  const wrong = form({ grant_type: "password", username: "alice", password: "?" });
  expect((await handle(requestOf("POST", "/token", wrong))).status).toBe(401);
});

test("tokens of nobody in particular are for pulls, where those are for everybody", async () => {
  const scope = "/token?scope=repository:a:pull,push";
  expect((await tokens()(requestOf("GET", scope))).status).toBe(401);
  expect(await json(tokens({ anonymousPull: true }), "GET", scope)).toMatchObject({
    scope: "repository:a:pull",
  });
  expect(await json(tokens({ readOnly: true }), "GET", scope, { headers: alice })).toMatchObject({
    scope: "repository:a:pull",
  });
});

test("a blob is not mounted from a repository that the token does not open", async () => {
  const handle = tokens();
  const all = await json(handle, "GET", "/token?scope=repository:a:*&scope=repository:b:*", {
    headers: alice,
  });
  const bearer = (token = "") => ({ Authorization: `Bearer ${token}` });
  await handle(requestOf("POST", push, { headers: bearer(all["token"]), body: utf8("x") }));
  const mount = `/v2/b/blobs/uploads/?mount=${digestOf(utf8("x"))}&from=a`;
  const some = await json(handle, "GET", "/token?scope=repository:b:pull,push", { headers: alice });
  const refused = await handle(requestOf("POST", mount, { headers: bearer(some["token"]) }));
  expect(refused.headers["WWW-Authenticate"]).toContain(
    'scope="repository:b:pull,push repository:a:pull",error="insufficient_scope"',
  );
  expect((await handle(requestOf("POST", mount, { headers: bearer(all["token"]) }))).status).toBe(201);
});

test("a read-only registry pulls, and refuses everything else by name", async () => {
  const handle = registryWith(createBasicAccess({ users, anonymousPull: true }), true);
  const refused = await handle(requestOf("POST", push, { headers: alice, body: utf8("x") }));
  expect([
    refused.status,
    String(refused.body && new TextDecoder().decode(refused.body as Uint8Array)),
  ]).toEqual([405, expect.stringContaining("read-only")]);
});

test("passwords that are not bcrypt are refused by name", () => {
  for (const [hash, scheme] of [
    ["{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "SHA-1"],
    ["$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", "apr1"],
    ["$6$salt$hash", "SHA-2 crypt"],
    ["secret", "plain text"],
    ["$2y$05$short", "bcrypt with a part missing"],
  ])
    expect(() => parseHtpasswd(`ok:${bcrypt.hashSync("", 4)}\nbob:${hash}\n`, "users")).toThrow(
      expect.objectContaining({
        code: "server.htpasswd-invalid",
        message: expect.stringMatching(
          new RegExp(`^users, line 2: the password of bob is kept as .*${scheme}`),
        ),
      }),
    );
});
