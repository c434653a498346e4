import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  createGpgKey,
  exportGpgKeys,
  listGpgKeys,
  mirrorKeys,
  publishGpgKeys,
  signDocument,
  trustKeyFile,
  untrustKeys,
  verifyDocument,
} from "../../src/index.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";
import { makeGpgHome } from "../support/gpg.js";
import { missingProgram } from "../support/peers.js";

const missing = missingProgram("gpg");
if (missing !== undefined) console.warn(`skipped: ${missing}`);

const fixtureKey = "797D9A04F3867B5E94147454A0FE8B241990D6B3";

/** A user whose keyring is real GnuPG's. */
async function user() {
  const scratch = scratchDirectory();
  const keys = await makeGpgHome();
  const options = {
    home: join(scratch.path, "home"),
    env: {
      PATH: process.env["PATH"],
      SPACK_GNUPGHOME: keys.home,
      SPACK_USER_CONFIG_PATH: join(scratch.path, "spack"),
      SPACK_SYSTEM_CONFIG_PATH: join(scratch.path, "system"),
    },
    confirm: async () => true,
  };
  return {
    path: scratch.path,
    keys,
    options,
    async [Symbol.asyncDispose]() {
      await keys[Symbol.asyncDispose]();
      scratch[Symbol.dispose]();
    },
  };
}

describe.skipIf(missing !== undefined)("keys", () => {
  test.skipIf(!hasShared)("a mirror's keys are told, and trusted if that is confirmed", async () => {
    await using here = await user();
    const mirror = join(shared, "mirror-v3-signed");
    const unknown = { mirror, fingerprint: fixtureKey, trusted: false };
    expect(await mirrorKeys([mirror], { ...here.options, confirm: undefined })).toMatchObject([unknown]);
    expect(await mirrorKeys([mirror], { ...here.options, confirm: async () => false })).toMatchObject([
      unknown,
    ]);
    expect((await listGpgKeys(here.options)).keys).toEqual([]);
    const told = await mirrorKeys([mirror], here.options);
    expect(told).toMatchObject([{ ...unknown, trusted: true }]);
    expect(told[0]?.userIds).toEqual(["Stowage Fixture (fixture signing key) <fixture@example.com>"]);
    expect((await here.keys.gpg(["--export-ownertrust"])).toString()).toContain(`${fixtureKey}:6:`);

    expect(await untrustKeys([fixtureKey], here.options)).toEqual([fixtureKey]);
    expect((await listGpgKeys(here.options)).keys).toEqual([]);
  });

  test("a key is made, exported, published, read from the mirror by another, and then trusted there", async () => {
    await using here = await user();
    await using there = await user();
    const file = join(here.path, "key.pub");
    const name = { name: "CI", email: "ci@example.com", comment: "", expires: "1y" };
    const { fingerprint } = await createGpgKey(name, { ...here.options, export: file });
    const { keys } = await listGpgKeys({ ...here.options, secret: true });
    expect(keys).toMatchObject([{ fingerprint, userIds: ["CI <ci@example.com>"], state: "valid" }]);
    expect(keys[0]?.expires?.getTime()).toBeGreaterThan(Date.now());
    const secret = join(here.path, "key.secret");
    await exportGpgKeys(secret, { ...here.options, secret: true });
    expect(statSync(secret).mode & 0o777).toBe(0o600);

    const mirror = join(here.path, "mirror");
    expect(await publishGpgKeys(mirror, { ...here.options, updateIndex: true })).toEqual([fingerprint]);
    expect(await mirrorKeys([mirror], there.options)).toMatchObject([{ fingerprint, trusted: true }]);

    const text = join(here.path, "a.json");
    writeFileSync(text, '{"a":1}');
    const { output } = await signDocument(text, here.options);
    expect(await verifyDocument(output, there.options)).toMatchObject([{ fingerprint }]);
    await expect(untrustKeys([fingerprint], here.options)).rejects.toMatchObject({
      code: "gpg.key-is-secret",
    });
    await untrustKeys([fingerprint], { ...here.options, secret: true });
    expect((await listGpgKeys({ ...here.options, secret: true })).keys).toEqual([]);
    // The secret key comes back from its copy.
    expect(await trustKeyFile(secret, here.options)).toMatchObject([{ fingerprint }]);
    expect((await listGpgKeys({ ...here.options, secret: true })).keys).toMatchObject([{ fingerprint }]);
  });

  test("a key that is not the one that its mirror names is refused", async () => {
    await using here = await user();
    await using there = await user();
    const one = await here.keys.create("one");
    const mirror = join(here.path, "mirror");
    await publishGpgKeys(mirror, { ...here.options, updateIndex: true });
    const two = await here.keys.create("two");
    await publishGpgKeys(mirror, { ...here.options, keys: [two] });
    const at = (key: string): string => join(mirror, "v3/manifests/key", `${key}.key.manifest.json`);
    writeFileSync(at(one), readFileSync(at(two)));
    await expect(mirrorKeys([mirror], there.options)).rejects.toMatchObject({ code: "gpg.key-mismatch" });
    expect((await listGpgKeys(there.options)).keys).toEqual([]);
  });
});
