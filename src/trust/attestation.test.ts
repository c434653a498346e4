import { generateKeyPairSync } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { utf8 } from "../base/bytes.js";
import { contentOf } from "../oci/content.js";
import { createMemoryRegistry } from "../oci/memory.js";
import { parseRepositoryName } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { assertAttested, attestManifest, collectAttestations, parsePredicateType } from "./attestation.js";
import { bundleType } from "./bundle.js";
import { encodeStatement, type Statement, statementType } from "./claim.js";
import { openPrivateKey, type PrivateKey } from "./key.js";
import type { TrustPolicy } from "./policy.js";
import { attach } from "./sign.js";
import { keySigner } from "./signer.js";

let key: PrivateKey;
let other: PrivateKey;
beforeAll(async () => {
  [key, other] = [await newKey(), await newKey()];
});

async function newKey(): Promise<PrivateKey> {
  const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
  return await openPrivateKey(utf8(pem.toString()), { subject: "key", password: async () => "" });
}

const policyOf = (one: PrivateKey): TrustPolicy => ({
  origin: "the test",
  authorities: [{ type: "key", key: one.publicKey }],
  required: 1,
  signedAs: "any",
});

/** A manifest in a repository, and what is said about it. */
async function manifest(): Promise<{ repository: Repository; subject: Awaited<ReturnType<typeof attach>> }> {
  const repository = createMemoryRegistry().repository(parseRepositoryName("cache"));
  const content = contentOf(utf8("x"), "text/plain");
  await repository.blobs.write(content);
  const nothing = { mediaType: "text/plain", digest: content.descriptor.digest, size: 1 };
  return {
    repository,
    subject: await attach(repository, { subject: nothing, artifactType: "text/plain", layers: [content] }),
  };
}

const statementOn = (digest: Statement["subjects"][number]["digest"]): Statement => ({
  subjects: [{ digest, reference: undefined, annotations: {} }],
  predicateType: "https://example.org/said",
  predicate: { said: "so" },
});

async function accepted({ repository, subject }: Awaited<ReturnType<typeof manifest>>): Promise<unknown[]> {
  const about = { digest: subject.digest, tag: undefined };
  const asked = { policy: policyOf(key), certificates: undefined };
  const { endorsements } = await collectAttestations(repository, about, asked);
  return endorsements.map(({ predicate, predicateType }) => ({ predicate, predicateType }));
}

test("whatever byte of a bundle is altered, nothing else is accepted than what was said", async () => {
  const { repository, subject } = await manifest();
  const payload = encodeStatement(statementOn(subject.digest));
  const bundle = await keySigner(key).bundle({ payload, payloadType: statementType });
  const said = [{ predicate: { said: "so" }, predicateType: "https://example.org/said" }];
  let refused = 0;
  for (let i = 0; i < bundle.byteLength; i += 1) {
    const altered = Uint8Array.from(bundle);
    altered[i] = (altered[i] ?? 0) ^ 1;
    const layers = [contentOf(altered, bundleType)];
    const one = await attach(repository, { subject, artifactType: bundleType, layers });
    const found = await accepted({ repository, subject });
    if (found.length === 0) refused += 1;
    else expect(found).toEqual(said);
    await repository.manifests.delete(one.digest);
  }
  // What may change is the name of the key, and what no reader looks at.
  expect(refused).toBeGreaterThan(bundle.byteLength * 0.8);
});

test("of several attestations those of a trusted key count, whoever else has made some", async () => {
  const { repository, subject } = await manifest();
  const tools = { clock: { now: () => 0, sleep: async () => {} }, random: () => 0 };
  for (const [one, formats] of [
    [other, ["cosign3"]],
    [key, ["cosign2", "cosign3"]],
  ] as const)
    await attestManifest(
      repository,
      { subject, statement: statementOn(subject.digest) },
      { ...tools, signer: keySigner(one), formats },
    );
  expect(await accepted({ repository, subject })).toHaveLength(2);
});

test("two voices are asked for: one is too few, however often", async () => {
  const made = await manifest();
  const { repository, subject } = made;
  const tools = { clock: { now: () => 0, sleep: async () => {} }, random: () => 0 };
  const statement = statementOn(subject.digest);
  await attestManifest(
    repository,
    { subject, statement },
    { ...tools, signer: keySigner(key), formats: ["cosign2", "cosign3"] },
  );
  const asked = {
    policy: { ...policyOf(key), required: 2 },
    certificates: undefined,
    repository,
    subject: { digest: subject.digest, tag: undefined },
  };
  const found = await collectAttestations(repository, asked.subject, asked);
  expect(() => assertAttested(found, asked)).toThrow(expect.objectContaining({ code: "trust.too-few" }));
});

test("types are URIs, or cosign's names for them", () => {
  expect(parsePredicateType("slsaprovenance1")).toBe("https://slsa.dev/provenance/v1");
  expect(parsePredicateType("https://example.org/x")).toBe("https://example.org/x");
  expect(() => parsePredicateType("provenance")).toThrow('"provenance" is no type of predicates');
});
