import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseRepositoryName } from "../../oci/reference.js";
import { openCredentials } from "./credentials.js";
import { removeLogin, storeLogin } from "./login.js";
import type { Surroundings } from "./places.js";

const scratch = await mkdtemp(join(tmpdir(), "stowage-credentials-"));
afterAll(() => rm(scratch, { recursive: true }));
let count = 0;

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** A home with these files, by their path in it; objects are written as JSON. */
async function homeWith(
  files: Record<string, object | string> = {},
): Promise<Surroundings & { home: string }> {
  const home = join(scratch, `home${count++}`);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(home, name)), { recursive: true });
    await writeFile(join(home, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return { home, environment: { PATH: `${join(home, "bin")}:${process.env["PATH"]}` } };
}

/** A helper that keeps each server's login in a file, and writes down what it was asked. */
const helper = `#!/bin/sh
dir=$(dirname "$0")/kept; mkdir -p "$dir"; input=$(cat)
echo "$1 $input" >> "$dir/log"
case $1 in
  store) echo "$input" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/' | tr / _ > "$dir/name"; echo "$input" > "$dir/$(cat "$dir/name")";;
  get) f="$dir/$(echo "$input" | tr / _)"; [ -f "$f" ] && cat "$f" || { echo "credentials not found in native keychain"; exit 1; };;
  erase) rm -f "$dir/$(echo "$input" | tr / _)";;
esac`;

async function homeWithHelper(config: object): Promise<Surroundings & { home: string }> {
  const where = await homeWith({ ".docker/config.json": config, "bin/docker-credential-kept": helper });
  await chmod(join(where.home, "bin/docker-credential-kept"), 0o755);
  return where;
}

const name = parseRepositoryName("org/cache");

test("docker's file is read in each form that docker has written", async () => {
  const where = await homeWith({
    ".docker/config.json": {
      auths: {
        "a.example": { auth: base64("user:pass:word") },
        "https://b.example/v2/": { username: "b", password: "c" },
        "https://index.docker.io/v1/": { auth: base64("hub:secret") },
        "c.example": { auth: base64("x:y"), identitytoken: "refresh" },
        "d.example": { registrytoken: "bearer" },
        "e.example": {},
      },
    },
  });
  const { find } = openCredentials(where);
  const source = join(where.home, ".docker/config.json");
  expect(await find({ domain: "a.example", name })).toEqual({
    type: "password",
    username: "user",
    password: "pass:word",
    source,
  });
  expect(await find({ domain: "b.example" })).toMatchObject({ username: "b", password: "c" });
  expect(await find({ domain: "docker.io", name })).toMatchObject({ username: "hub" });
  expect(await find({ domain: "c.example" })).toMatchObject({ type: "identity-token", token: "refresh" });
  expect(await find({ domain: "d.example" })).toMatchObject({ type: "access-token", token: "bearer" });
  expect(await find({ domain: "e.example" })).toBeUndefined();
  expect(await find({ domain: "f.example" })).toBeUndefined();
});

test("given logins go before podman's file, that before docker's, each by the longest name that fits", async () => {
  const auths = (...entries: [string, string][]) => ({
    auths: Object.fromEntries(entries.map(([key, user]) => [key, { auth: base64(`${user}:p`) }])),
  });
  const where = await homeWith({
    ".config/containers/auth.json": auths(["x.example/org", "podman-org"], ["x.example", "podman"]),
    ".docker/config.json": auths(["x.example", "docker"], ["y.example", "docker"]),
    "other.json": auths(["x.example", "other"]),
  });
  const given = (user: string, domain: string, part?: string) => ({
    domain,
    name: part === undefined ? undefined : parseRepositoryName(part),
    credential: { type: "password" as const, username: user, password: "p", source: "a mirror" },
  });
  const options = { ...where, given: [given("all", "z.example"), given("part", "z.example", "org/cache")] };
  const userOf = async (domain: string, repository: string, more: Partial<typeof options> = {}) => {
    const found = await openCredentials({ ...options, ...more }).find({
      domain,
      name: parseRepositoryName(repository),
    });
    return found?.type === "password" ? found.username : undefined;
  };
  expect(await userOf("x.example", "org/cache")).toBe("podman-org");
  expect(await userOf("x.example", "organic/cache")).toBe("podman");
  expect(await userOf("y.example", "org/cache")).toBe("docker");
  expect(await userOf("z.example", "org/cache")).toBe("part");
  expect(await userOf("z.example", "org/cached")).toBe("all");
  const environment = { ...where.environment, REGISTRY_AUTH_FILE: join(where.home, "other.json") };
  expect(await userOf("x.example", "org/cache", { environment })).toBe("other");
});

test("a helper gives logins and tokens, and its absence is a failure, not a missing login", async () => {
  const where = await homeWithHelper({
    credHelpers: { "a.example": "kept", "gone.example": "gone" },
    credsStore: "kept",
  });
  const { find } = openCredentials(where);
  expect(await find({ domain: "a.example" })).toBeUndefined();
  await storeLogin({ domain: "a.example", username: "u", password: "p" }, where);
  expect(await find({ domain: "a.example" })).toMatchObject({
    username: "u",
    password: "p",
    source: expect.stringContaining("docker-credential-kept"),
  });
  await storeLogin({ domain: "docker.io", username: "<token>", password: "refresh" }, where);
  expect(await find({ domain: "docker.io" })).toMatchObject({ type: "identity-token", token: "refresh" });
  const log = await readFile(join(where.home, "bin/kept/log"), "utf8");
  expect(log).toContain("get https://index.docker.io/v1/\n");
  await expect(find({ domain: "gone.example" })).rejects.toMatchObject({
    code: "credentials.helper-failed",
    message: expect.stringContaining("docker-credential-gone"),
  });
  expect(await removeLogin("a.example", where)).toEqual(["docker-credential-kept"]);
  expect(await find({ domain: "a.example" })).toBeUndefined();
});

test("a login is written to docker's file, which keeps the rest and is for its owner alone", async () => {
  const where = await homeWith({
    ".docker/config.json": { psFormat: "x", auths: { "a.example": { auth: "eDp5" } }, currentContext: "y" },
  });
  const path = join(where.home, ".docker/config.json");
  expect(await storeLogin({ domain: "b.example", username: "u", password: "p:q" }, where)).toEqual({
    place: path,
    isPlain: true,
  });
  const written = JSON.parse(await readFile(path, "utf8"));
  expect(Object.keys(written)).toEqual(["psFormat", "auths", "currentContext"]);
  expect(written.auths).toEqual({ "a.example": { auth: "eDp5" }, "b.example": { auth: base64("u:p:q") } });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await removeLogin("b.example", where)).toEqual([path]);
  expect(await removeLogin("b.example", where)).toEqual([]);
  const fresh = await homeWith();
  await storeLogin({ domain: "b.example", username: "u", password: "p" }, fresh);
  expect(await openCredentials(fresh).find({ domain: "b.example" })).toMatchObject({ username: "u" });
});

test.each([
  ["not JSON", '{"auths": {"a.example": {"auth": "c2VjcmV0"'],
  ["auths that are a list", '{"auths": ["c2VjcmV0"]}'],
  ["an auth that is not base64 of a pair", '{"auths": {"a.example": {"auth": "c2VjcmV0"}}}'],
])("a file with %s is named, and nothing of it shown", async (_, text) => {
  const where = await homeWith({ ".docker/config.json": text });
  const error: unknown = await openCredentials(where)
    .find({ domain: "a.example" })
    .catch((e: unknown) => e);
  expect(error).toMatchObject({ code: "credentials.file-invalid" });
  expect(error).not.toHaveProperty("cause");
  expect(String(error)).not.toMatch(/c2VjcmV0|secret/);
});
