import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CliResult, stowage } from "../support/cli.js";
import { scratchDirectory, spackRoot, unpackStore } from "../support/fixtures.js";
import { startRegistry, type TestRegistry } from "../support/registry.js";

const password = "correct horse battery staple";
/** A key that is not encrypted, so that each form of what is secret in it can be looked for. */
const plain = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const plainPem = String(plain.export({ type: "pkcs8", format: "pem" }));
const scalar = Buffer.from(plain.export({ format: "jwk" }).d ?? "", "base64url");

const scratch = scratchDirectory();
const at = (name: string): string => join(scratch.path, name);
const home = at("home");
const zlib = "zlib-1.2.13-7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z.spack";
const said: string[] = [];
const sent: Uint8Array[] = [];
let registry: TestRegistry;
let url: string;

async function run(args: readonly string[], env: Record<string, string> = {}): Promise<CliResult> {
  const result = await stowage(args, { home, env });
  said.push(result.stdout, result.stderr);
  return result;
}

const withKey = { COSIGN_PASSWORD: password };
const push = (...args: readonly string[]) => [
  "--store",
  spackRoot,
  "buildcache",
  "push",
  "--sysroot",
  at("machine"),
  "cache",
  ...args,
];
const install = (...args: readonly string[]) => {
  rmSync(at("store"), { recursive: true, force: true });
  return run(["--store", at("store"), "install", "--no-host-compatible", ...args]);
};
const codeOf = (result: CliResult): unknown => Object(result.json()["error"]).code;

const manifestType = "application/vnd.oci.image.manifest.v1+json";
const manifestAt = (tag: string): string => `${registry.url}/v2/cache/manifests/${tag}`;
const readManifest = async (tag: string): Promise<string> =>
  (await fetch(manifestAt(tag), { headers: { accept: manifestType } })).text();
const putManifest = async (tag: string, body: string): Promise<number> =>
  (await fetch(manifestAt(tag), { method: "PUT", body, headers: { "content-type": manifestType } })).status;

beforeAll(async () => {
  registry = await startRegistry({
    root: at("registry"),
    wrap: (handler) => (request) =>
      handler({
        ...request,
        body: (async function* () {
          for await (const chunk of request.body) {
            sent.push(chunk);
            yield chunk;
          }
        })(),
      }),
  });
  url = `oci+http://${registry.host}/cache`;
  for (const folder of [home, at("machine")]) mkdirSync(folder, { recursive: true });
  unpackStore(at("machine"));
});
afterAll(async () => {
  await registry.close();
  scratch[Symbol.dispose]();
});

// One test follows the other, as commands do.
describe("a mirror in which all is signed", () => {
  test("asks for a policy to read, and for a key to write", async () => {
    expect((await run(["mirror", "add", "--signed", "cache", url])).code).toBe(0);
    expect(codeOf(await run(["buildcache", "list", "--json"]))).toBe("trust.policy-missing");
    expect(codeOf(await run([...push("greet"), "--json"]))).toBe("push.unsigned");
  });

  test("a pair of keys is made with a password, and never again over itself", async () => {
    const make = ["key", "generate", "-o", at("ci"), "--json"];
    expect(codeOf(await run(make))).toBe("key.password-missing");
    expect((await run(make, withKey)).json()).toMatchObject({ type: "ecdsa-p256" });
    expect(codeOf(await run(make, withKey))).toBe("key.exists");
    const { pem } = (await run(["key", "public", at("ci.key"), "--json"], withKey)).json();
    expect(pem).toBe(readFileSync(at("ci.pub"), "utf8"));
    writeFileSync(join(home, "spack/trust.yaml"), `trust: {mirrors: {cache: {keys: [${at("ci.pub")}]}}}\n`);
    expect((await run(["key", "list"])).stdout).toContain("cache");
  });

  test("what is pushed with the key is listed, installed, and told with who signed it", async () => {
    const pushed = await run([...push("greet"), "--update-index", "--key", at("ci.key")], withKey);
    expect(pushed.stdout).toContain("6 packages pushed");
    expect((await run(["buildcache", "list"])).stdout).toContain("zlib@1.2.13");
    expect((await install("greet")).stdout).toContain("6 packages installed");
    const { checked } = (await run(["signature", "verify", "--all", "cache", "--json"])).json();
    expect(checked).toHaveLength(7);
  });

  test("another key signs beside it, and by another password nothing is signed", async () => {
    const key = { SIGNING_KEY: plainPem };
    const sign = ["sign", "cache", "--all", "--json"];
    const signed = await run([...sign, "--key", "env://SIGNING_KEY", "--signature-format", "both"], key);
    expect(signed.json()).toMatchObject({ failed: [] });
    const wrong = await run([...sign, "--key", at("ci.key")], { COSIGN_PASSWORD: `not ${password}` });
    expect(codeOf(wrong)).toBe("key.password-wrong");
  });

  test("a package that was swapped is not installed, by its mirror's name or URL, unless somebody wants it", async () => {
    const good = await readManifest(zlib);
    expect(await putManifest(zlib, JSON.stringify({ ...JSON.parse(good), annotations: {} }))).toBe(201);
    // As what needs it, too.
    for (const args of [["greet"], ["zlib"], ["--mirror", url, "zlib"]])
      expect(codeOf(await install("--json", ...args))).toBe("trust.unsigned");
    const verified = await run(["signature", "verify", "--all", "cache"]);
    expect([verified.code, verified.stdout.match(/not verified/g)?.length]).toEqual([1, 1]);
    const loud = await install("--no-check-signature", "zlib");
    expect([loud.code, loud.stderr]).toEqual([0, expect.stringContaining("NO SIGNATURE IS CHECKED")]);
    // Who pushes with the key is told, and can replace it.
    const again = await run([...push("zlib"), "--key", at("ci.key")], withKey);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("is not signed")]);
    expect((await run([...push("zlib"), "--force", "--key", at("ci.key")], withKey)).code).toBe(0);
    expect((await install("zlib")).code).toBe(0);
  });

  test("an old index is refused by who has seen a newer one, and made anew of the packages", async () => {
    const digest = createHash("sha256")
      .update(await readManifest("index.spack"))
      .digest("hex");
    const signatures = await readManifest(`sha256-${digest}.sig`);
    expect((await run(["sign", "cache", "--index", "--key", at("ci.key")], withKey)).code).toBe(0);
    expect((await run(["buildcache", "list"])).code).toBe(0);
    expect(await putManifest(`sha256-${digest}.sig`, signatures)).toBe(201);
    expect(codeOf(await run(["buildcache", "list", "--json"]))).toBe("trust.index-rollback");
    const verified = await run(["signature", "verify", "--all", "cache"]);
    expect([verified.code, verified.stdout]).toEqual([1, expect.stringContaining("put an old index back")]);
    const renewed = await run(["buildcache", "update-index", "cache", "--key", at("ci.key")], withKey);
    expect(renewed.stderr).toContain("building it anew");
    expect((await run(["buildcache", "list"])).code).toBe(0);
  });

  test("no secret is in what was said, sent, stored, or left on disk", () => {
    const secrets = [
      password,
      plainPem.split("\n")[1] ?? "",
      scalar,
      scalar.toString("hex"),
      scalar.toString("base64"),
      readFileSync(at("ci.key"), "utf8").split("\n")[2] ?? "",
    ].map((text) => Buffer.from(text));
    const files = readdirSync(scratch.path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== "ci.key")
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !path.startsWith(at("machine")));
    expect(files.some((path) => path.startsWith(at("registry")))).toBe(true);
    expect(sent.length).toBeGreaterThan(20);
    const found = (bytes: Uint8Array): boolean => secrets.some((one) => Buffer.from(bytes).includes(one));
    expect(files.filter((path) => found(readFileSync(path)))).toEqual([]);
    expect(found(Buffer.concat(sent))).toBe(false);
    expect(said.filter((text) => found(Buffer.from(text)))).toEqual([]);
    const asked = registry.requests.map(
      ({ path, query, headers }) => `${path} ${query} ${JSON.stringify(headers)}`,
    );
    expect(asked.filter((text) => found(Buffer.from(text)))).toEqual([]);
  });
});
