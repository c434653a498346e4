import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { openLayout } from "../io/registry/layout.js";
import { parseTag } from "../oci/reference.js";
import { openPrivateKey, parsePublicKey } from "./key.js";
import { assertEnough, collect } from "./policy-verifier.js";

/** What real cosigns made (test/fixtures/NOTICE.md); test/peers/signatures.test.ts asks those that are at hand. */
const at = (path: string): string =>
  fileURLToPath(new URL(`../../test/fixtures/cosign/${path}`, import.meta.url));

describe.each(["v2.6.5", "v3.1.3"])("cosign %s", (version) => {
  const file = (name: string) => readFileSync(at(`${version}/${name}`));

  test.each(["payload", "bundle"])("its signatures verify as it stores them: %s", async (form) => {
    const repository = await openLayout(at(`${version}/layout`));
    const tag = parseTag(form);
    const digest = (await repository.manifests.stat(tag))?.digest;
    if (digest === undefined) throw new Error(`no ${form}`);
    const policyOf = (pem: string) => ({
      origin: "test",
      authorities: [{ type: "key" as const, key: parsePublicKey(pem, "test") }],
      required: 1,
      signedAs: [],
    });
    const policy = policyOf(String(file("cosign.pub")));
    const subject = { digest, tag };
    const found = await collect(repository, subject, { policy, certificates: undefined });
    assertEnough(found, { repository, subject, policy });
    expect(found.endorsements).toMatchObject([{ form, claim: { digest } }]);
    if (form === "payload") expect(found.endorsements[0]?.claim.annotations).toEqual({ made: "here" });
    const other = version === "v2.6.5" ? "v3.1.3" : "v2.6.5";
    const stranger = policyOf(readFileSync(at(`${other}/cosign.pub`), "utf8"));
    const { endorsements, faults } = await collect(repository, subject, {
      policy: stranger,
      certificates: undefined,
    });
    expect(endorsements).toEqual([]);
    expect(faults.map(({ code }) => code)).toEqual(["trust.key-unknown"]);
  });

  test("its encrypted key opens, and is the other half of its public key", async () => {
    const key = await openPrivateKey(file("cosign.key"), { subject: "key", password: async () => "fixture" });
    expect(key.publicKey.pem).toBe(String(file("cosign.pub")));
  });
});
