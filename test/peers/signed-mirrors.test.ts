import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { install } from "../../src/index.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";
import { type GpgHome, makeGpgHome } from "../support/gpg.js";
import { missingProgram } from "../support/peers.js";
import { pushingMachine } from "../support/push.js";

const missing = missingProgram("gpg");
if (missing !== undefined) console.warn(`skipped: ${missing}`);

/** The key that the mirror of the fixtures publishes. */
const published = "blobs/sha256/51/51ebbb7946ab153504d32bee2e98e9d7e9d7fcf38a3b7d455b82d0b1d0c334d6";

/** Files of manifests, of all packages or of those of one name. */
function manifestsIn(mirror: string, name = ""): readonly string[] {
  const folder = join(mirror, "v3/manifests/spec", name);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return files.filter((file) => file.endsWith(".json")).map((file) => join(folder, file));
}

const refusalOf = async (result: Promise<unknown>): Promise<unknown> =>
  result.then(
    () => "accepted",
    (error: unknown) => Object(error).code,
  );

describe.skipIf(missing !== undefined)("mirrors of files whose packages are signed", () => {
  let keys: GpgHome;
  beforeAll(async () => {
    keys = await makeGpgHome();
  });
  afterAll(async () => keys[Symbol.asyncDispose]());

  const environment = (home: string) => ({
    PATH: process.env["PATH"],
    SPACK_USER_CONFIG_PATH: join(home, "spack"),
    SPACK_SYSTEM_CONFIG_PATH: join(home, "system"),
    SPACK_GNUPGHOME: keys.home,
  });

  test.skipIf(!hasShared)(
    "install() takes from real Spack's mirror what its key signed, and nothing else",
    async () => {
      using scratch = scratchDirectory();
      const mirror = join(scratch.path, "mirror");
      cpSync(join(shared, "mirror-v3-signed"), mirror, { recursive: true });
      const options = (name: string) => ({
        home: join(scratch.path, name),
        env: environment(join(scratch.path, name)),
        store: join(scratch.path, name, "store"),
        hostCompatible: false,
        jobs: 2,
        mirror,
      });
      const keyring = join(mirror, published);
      const { run, failed, unchecked } = await install(["greet"], { ...options("a"), keyring });
      expect([failed, unchecked]).toEqual([[], []]);
      expect(run?.installed.length).toBe(6);
      expect(await refusalOf(install(["greet"], options("b")))).toBe("gpg.key-unknown");

      const [manifest = ""] = manifestsIn(mirror, "zlib");
      const text = readFileSync(manifest, "utf8");
      const damaged = async (changed: string): Promise<unknown> => {
        writeFileSync(manifest, changed);
        return refusalOf(install(["zlib"], { ...options("c"), keyring }));
      };
      expect(await damaged(text.replace('"version":3', '"version": 3'))).toBe("gpg.signature-wrong");
      expect(await damaged(text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1))).toBe(
        "gpg.signature-missing",
      );
      expect(await damaged(`${text}{}`)).toBe("gpg.document-malformed");
      const others = manifestsIn(mirror, "bzip2").map((path) => readFileSync(path, "utf8"));
      // Signed by the right key, and of another package.
      expect(await damaged(others[0] ?? "")).toBe("buildcache.entry-broken");
      writeFileSync(manifest, text);
      // The keyring that trust.yaml names counts instead of Spack's, and what files cannot have is not passed over.
      const folder = join(scratch.path, "scope");
      mkdirSync(folder);
      writeFileSync(join(folder, "mirrors.yaml"), JSON.stringify({ mirrors: { f: mirror } }));
      const asks = async (rule: object): Promise<unknown> => {
        writeFileSync(join(folder, "trust.yaml"), JSON.stringify({ trust: { mirrors: { f: rule } } }));
        return refusalOf(install(["zlib"], { ...options("e"), mirror: "f", config: folder }));
      };
      const none = join(scratch.path, "none.gpg");
      expect(await asks({ keyring: none })).toBe("gpg.keyring-missing");
      expect(await asks({ keys: ["ci.pub"] })).toBe("trust.policy-unsupported");
      expect(await asks({ keyring, required: 2 })).toBe("trust.policy-unsupported");
      expect(await asks({ keyring })).toBe("accepted");
      const loud = await install(["zlib"], { ...options("d"), checkSignature: false });
      expect(loud.unchecked).toEqual([mirror]);
    },
  );

  test("push() signs with the only secret key, or the one named; gpg and install() agree that it is good", async () => {
    using machine = pushingMachine();
    const mirror = join(machine.path, "mirror");
    const env = environment(machine.home);
    expect(await refusalOf(machine.push(mirror, { specs: ["zlib"], env }))).toBe("gpg.no-secret-key");
    const first = await keys.create("first");
    const { failed } = await machine.push(mirror, { specs: ["greet"], updateIndex: true, env });
    expect(failed).toEqual([]);
    const manifests = manifestsIn(mirror);
    expect(manifests.length).toBe(6);
    for (const path of manifests) await keys.gpg(["--verify", path]);

    const options = { home: machine.home, env, mirror, hostCompatible: false };
    const { run } = await install(["greet"], { ...options, store: join(machine.path, "store") });
    expect(run?.installed.length).toBe(6);

    const second = await keys.create("second");
    const again = join(machine.path, "again");
    expect(await refusalOf(machine.push(again, { specs: ["zlib"], env }))).toBe("gpg.key-ambiguous");
    await machine.push(again, { specs: ["zlib"], env, key: second });
    const [signed = ""] = manifestsIn(again, "zlib");
    const status = await keys.gpg(["--status-fd", "1", "--verify", signed]);
    expect(status.toString()).toContain(`VALIDSIG ${second}`);
    expect(status.toString()).not.toContain(first);
  });
});
