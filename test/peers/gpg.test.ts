import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as openpgp from "openpgp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { textOf, utf8 } from "../../src/base/bytes.js";
import { Failure } from "../../src/base/failure.js";
import { exportKeys, trustKeys } from "../../src/io/gpg/keyring.js";
import { openSigner } from "../../src/io/gpg/signer.js";
import { openVerifier } from "../../src/io/gpg/verifier.js";
import { systemClock } from "../../src/io/system/clock.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";
import { type GpgHome, makeGpgHome } from "../support/gpg.js";
import { missingProgram } from "../support/peers.js";
import { seeded } from "../support/seeded.js";

const missing = missingProgram("gpg");
if (missing !== undefined) console.warn(`skipped: ${missing}`);

const manifest = '{\n"version":3,\n"data":[\n{\n"contentLength":9476\n}\n]\n}';
const past = "20200101T000000";

describe.skipIf(missing !== undefined)("signatures by the real GnuPG", () => {
  let signing: GpgHome;
  let keyring: GpgHome;
  let key: string;
  let publicKey: Buffer;

  beforeAll(async () => {
    signing = await makeGpgHome();
    keyring = await makeGpgHome();
    key = await signing.create("signer");
    publicKey = await signing.gpg(["--export", key]);
    await keyring.gpg(["--import"], { input: publicKey });
  });
  afterAll(async () => {
    await signing[Symbol.asyncDispose]();
    await keyring[Symbol.asyncDispose]();
  });

  /** Trusts a key of `signing` as it is now. */
  const trust = async (fingerprint: string): Promise<void> => {
    await keyring.gpg(["--import"], { input: await signing.gpg(["--export", fingerprint]) });
  };

  describe.each([
    ["the library", openpgp],
    ["the program", null],
  ])("verified by %s", (_, library) => {
    const open = async (document: Uint8Array | string, home = keyring.home, file?: string) => {
      const options = { clock: systemClock, openpgp: library, keyring: file };
      await using verifier = openVerifier({ home, env: process.env }, options);
      return await verifier.open(typeof document === "string" ? utf8(document) : document, {
        subject: "a.spec.json.sig",
      });
    };
    const refusal = async (document: Uint8Array | string, home?: string): Promise<string> => {
      try {
        await open(document, home);
        return "accepted";
      } catch (error) {
        if (error instanceof Failure) return error.code;
        throw error;
      }
    };

    test("a good signature gives the text and who signed it", async () => {
      const { text, signers } = await open(await signing.clearsign(manifest, key));
      expect(textOf(text)).toBe(manifest);
      expect(signers).toMatchObject([{ fingerprint: key, userId: "signer <signer@example.com>" }]);
    });

    test("texts that need escapes, with blanks, CRLF and other scripts", async () => {
      const odd = "-dash\n- - two\n\n--\nFrom here\nblanks  \t\nünïcödé 漢字 \u2028\n-----BEGIN X-----";
      for (const text of [odd, odd.replaceAll("\n", "\r\n"), "", "\n", "a\n\n\n"]) {
        const document = await signing.clearsign(text, key);
        const opened = await open(document);
        const signed = text
          .split("\n")
          .map((line) => line.replace(/[ \t\r]+$/, ""))
          .join("\n");
        expect(textOf(opened.text)).toBe(signed.replace(/\n$/, ""));
        const withCrLf = (textOf(document) ?? "").replace(/\r?\n/g, "\r\n");
        expect(textOf((await open(withCrLf)).text)).toBe(textOf(opened.text));
      }
    });

    test("a key from a file, armored among other keys and text, or binary", async () => {
      using scratch = scratchDirectory();
      const other = await signing.create(`other-${String(library === null)}`);
      const armored = async (one: string) => textOf(await signing.gpg(["--armor", "--export", one]));
      const file = join(scratch.path, "keys.pub");
      const document = await signing.clearsign(manifest, key);
      writeFileSync(file, `our keys:\n${await armored(other)}\n${await armored(key)}`);
      expect((await open(document, "/nowhere", file)).signers[0]?.fingerprint).toBe(key);
      writeFileSync(file, publicKey);
      expect((await open(document, "/nowhere", file)).signers[0]?.fingerprint).toBe(key);
      await expect(open(document, "/nowhere", join(scratch.path, "none"))).rejects.toMatchObject({
        code: "gpg.keyring-missing",
      });
    });

    test("each refusal has its own name", async () => {
      const good = textOf(await signing.clearsign(manifest, key)) ?? "";
      expect(await refusal(manifest)).toBe("gpg.signature-missing");
      expect(await refusal(good.replace("9476", "9477"))).toBe("gpg.signature-wrong");
      expect(await refusal(good.replace(/^Hash: .*/m, "Hash: SHA384"))).toBe("gpg.document-malformed");
      const other = textOf(await signing.clearsign(`${manifest} `.replace("3", "4"), key)) ?? "";
      const armorOf = (document: string) => document.slice(document.indexOf("-----BEGIN PGP SIGNATURE"));
      expect(await refusal(good.replace(armorOf(good), armorOf(other)))).toBe("gpg.signature-wrong");
      expect(await refusal(good.replace(/SIGNATURE-----\n\n[^-]*/, "SIGNATURE-----\n\n"))).toBe(
        "gpg.document-malformed",
      );
      expect(await refusal(`${good}${good}`)).toBe("gpg.document-malformed");

      const stranger = await signing.create(`stranger-${String(library === null)}`);
      expect(await refusal(await signing.clearsign(manifest, stranger))).toBe("gpg.key-unknown");
      expect(await refusal(good, "/nowhere")).toBe("gpg.key-unknown");
    });

    test("keys that have expired, were revoked, or are never to be trusted", async () => {
      const tag = String(library === null);
      const expired = await signing.create(`expired-${tag}`, { at: past, expires: "2020-06-01" });
      const signed = await signing.clearsign(manifest, expired, { at: "20200201T000000" });
      await trust(expired);
      expect(await refusal(signed)).toBe("gpg.key-expired");

      const revoked = await signing.create(`revoked-${tag}`);
      const before = await signing.clearsign(manifest, revoked);
      await trust(revoked);
      expect(await refusal(before)).toBe("accepted");
      await signing.revoke(revoked);
      await trust(revoked);
      expect(await refusal(before)).toBe("gpg.key-revoked");

      const never = await signing.create(`never-${tag}`);
      await trust(never);
      await keyring.gpg(["--import-ownertrust"], { input: `${never}:3:\n` });
      expect(await refusal(await signing.clearsign(manifest, never))).toBe("gpg.key-untrusted");
    });

    test("signatures that have expired, are from tomorrow, or use SHA-1", async () => {
      const old = await signing.create(`old-${String(library === null)}`, { at: past });
      await trust(old);
      const args = ["--default-sig-expire", "10d"];
      expect(await refusal(await signing.clearsign(manifest, old, { at: past, args }))).toBe(
        "gpg.signature-expired",
      );
      expect(await refusal(await signing.clearsign(manifest, old, { at: past }))).toBe("accepted");
      expect(await refusal(await signing.clearsign(manifest, key, { at: "20400101T000000" }))).not.toBe(
        "accepted",
      );
      expect(await refusal(await signing.clearsign(manifest, key, { args: ["--digest-algo", "SHA1"] }))).toBe(
        "gpg.signature-weak",
      );
    });

    test("two signatures over one text: both have to be good", async () => {
      const second = await signing.create(`second-${String(library === null)}`);
      const document = await signing.clearsign(manifest, key, { args: ["--local-user", second] });
      expect(await refusal(document)).toBe("gpg.key-unknown");
      await trust(second);
      const { signers } = await open(document);
      expect(signers.map(({ fingerprint }) => fingerprint).sort()).toEqual([key, second].sort());
    });

    test("a signature of a file is none of a text", async () => {
      const binary = await signing.gpg(
        ["--local-user", key, "--armor", "--digest-algo", "SHA512", "--detach-sign"],
        {
          input: manifest.replaceAll("\n", "\r\n"),
        },
      );
      const document = `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${manifest}\n${textOf(binary)}`;
      expect(await refusal(document)).not.toBe("accepted");
    });

    test("any byte flipped: what is accepted stays the same", { timeout: 120_000 }, async () => {
      const document = await signing.clearsign(manifest, key);
      const all = process.env["STOWAGE_SOAK"] !== undefined;
      const random = seeded(7);
      const integer = (below: number) => Math.floor(random() * below);
      const options = { clock: systemClock, openpgp: library };
      await using verifier = openVerifier({ home: keyring.home, env: process.env }, options);
      let refused = 0;
      const tries = all ? document.byteLength : library === null ? 40 : 200;
      for (let n = 0; n < tries; n += 1) {
        const at = all ? n : integer(document.byteLength);
        const flipped = Uint8Array.from(document, (byte, i) => (i === at ? byte ^ (1 << integer(8)) : byte));
        try {
          const { text, signers } = await verifier.open(flipped, { subject: "a" });
          expect([textOf(text), signers[0]?.fingerprint]).toEqual([manifest, key]);
        } catch (error) {
          if (!(error instanceof Failure)) throw error;
          refused += 1;
        }
      }
      expect(refused).toBeGreaterThan(tries * 0.8);
    });

    test.skipIf(!hasShared)("a mirror by real Spack, with the key that it publishes", async () => {
      using scratch = scratchDirectory();
      const mirror = join(shared, "mirror-v3-signed");
      const file = join(scratch.path, "published.pub");
      const blobs = readdirSync(join(mirror, "blobs/sha256"), { recursive: true, encoding: "utf8" });
      const published = blobs.find((name) => name.includes("51ebbb"));
      writeFileSync(file, readFileSync(join(mirror, "blobs/sha256", published ?? "")));
      const manifests = readdirSync(join(mirror, "v3/manifests/spec"), { recursive: true, encoding: "utf8" });
      let opened = 0;
      for (const name of manifests.filter((one) => one.endsWith(".json"))) {
        const { text, signers } = await open(
          readFileSync(join(mirror, "v3/manifests/spec", name)),
          "/nowhere",
          file,
        );
        expect(JSON.parse(textOf(text) ?? "")).toMatchObject({ version: 3 });
        expect(signers[0]?.userId).toBe("Stowage Fixture (fixture signing key) <fixture@example.com>");
        opened += 1;
      }
      expect(opened).toBeGreaterThan(3);
    });
  });

  test("what we sign is verified by gpg, by its only secret key or the one named", async () => {
    await using home = await makeGpgHome();
    const gpg = { home: home.home, env: process.env };
    await expect(openSigner(gpg)).rejects.toMatchObject({ code: "gpg.no-secret-key" });
    const own = await home.create("own");
    const signer = await openSigner(gpg);
    expect(signer.fingerprint).toBe(own);
    const document = await signer.sign(utf8(manifest), { subject: "a" });
    await home.gpg(["--verify"], { input: document });
    expect(textOf(document)).toContain("Hash: SHA512\n");
    await expect(signer.sign(utf8("a \nb"), { subject: "a" })).rejects.toMatchObject({
      code: "gpg.text-unsignable",
    });

    const second = await home.create("second");
    await expect(openSigner(gpg)).rejects.toMatchObject({ code: "gpg.key-ambiguous" });
    expect((await openSigner(gpg, { key: second })).fingerprint).toBe(second);
    await expect(openSigner(gpg, { key: "nobody" })).rejects.toMatchObject({ code: "gpg.key-missing" });
  });

  test("of a file with two keys, the one that is wanted is all that gets into the keyring", async () => {
    await using home = await makeGpgHome();
    const gpg = { home: home.home, env: process.env };
    const [one, two] = [await signing.create("one"), await signing.create("two")];
    const both = await exportKeys({ home: signing.home, env: process.env }, [one, two]);
    await trustKeys(gpg, both, { fingerprints: [two] });
    const listed = textOf(await home.gpg(["--with-colons", "--list-keys"]));
    expect(listed).toContain(two);
    expect(listed).not.toContain(one);
    expect(textOf(await home.gpg(["--export-ownertrust"]))).toContain(`${two}:6:`);
  });
});
