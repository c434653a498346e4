import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sign } from "../../src/app/sign.js";
import { verifySignatures } from "../../src/app/signature.js";
import { utf8 } from "../../src/base/bytes.js";
import { contentOf } from "../../src/oci/content.js";
import { encodeManifest } from "../../src/oci/manifest.js";
import { mediaTypes } from "../../src/oci/media-types.js";
import { parseTag } from "../../src/oci/reference.js";
import { encodePayload, simpleSigningType } from "../../src/trust/claim.js";
import { signatureTag } from "../../src/trust/stored-signature.js";
import { openTestClient } from "../support/client.js";
import { type PushingMachine, pushingMachine } from "../support/push.js";
import { startRegistry, type TestRegistry } from "../support/registry.js";
import { jobToken, type Sigstore, startSigstore } from "../support/sigstore.js";

const issuer = "https://token.actions.githubusercontent.com";
const subject = "https://github.com/me/cache/.github/workflows/push.yml@refs/heads/main";

let machine: PushingMachine;
let registry: TestRegistry;
let sigstore: Sigstore;
let mirror: string;
let root: string;

beforeAll(async () => {
  machine = pushingMachine();
  registry = await startRegistry();
  sigstore = await startSigstore();
  mirror = `oci+http://${registry.host}/cache`;
  root = join(machine.path, "root.json");
  writeFileSync(root, JSON.stringify(sigstore.root));
  await machine.push(mirror, { specs: ["zlib"] });
}, 60_000);
afterAll(async () => {
  await sigstore?.[Symbol.asyncDispose]();
  await registry?.close();
  machine?.[Symbol.dispose]();
});

const env = (more: Record<string, string> = {}) => ({
  HOME: machine.home,
  SPACK_USER_CONFIG_PATH: join(machine.home, "spack"),
  SPACK_SYSTEM_CONFIG_PATH: join(machine.home, "system"),
  ...more,
});
const signAs = (variables: Record<string, string>, more: object = {}) =>
  sign(mirror, {
    home: machine.home,
    env: env(variables),
    all: true,
    index: false,
    fulcioUrl: sigstore.url,
    rekorUrl: sigstore.url,
    ...more,
  });
const verify = (identity: object, trustedRoot = root) =>
  verifySignatures(mirror, { home: machine.home, env: env(), all: true, identity, trustedRoot });

test("a job of GitLab signs with its token; that verifies offline, for whom it names and nobody else", async () => {
  const { signed, signer } = await signAs({ SIGSTORE_ID_TOKEN: jobToken(subject, issuer) });
  expect(signed.length).toBeGreaterThan(0);
  expect(signer).toBe(subject);
  const { checked } = await verify({ subject, issuer });
  expect(checked.map(({ failure }) => failure)).toEqual(checked.map(() => undefined));
  expect(checked[0]?.by[0]).toMatchObject({ signer: `${subject} of ${issuer}`, form: "bundle" });
  expect(Date.now() - Date.parse(checked[0]?.by[0]?.signedAt ?? "")).toBeLessThan(600_000);
  const codes = async (identity: object, trustedRoot?: string) =>
    new Set((await verify(identity, trustedRoot)).checked.map(({ failure }) => failure?.code));
  const pattern = { subjectRegexp: "https://github\\.com/me/.*", issuerRegexp: "https://token\\..*" };
  expect(await codes(pattern)).toEqual(new Set([undefined]));
  expect(await codes({ subject: `${subject}x`, issuer })).toEqual(new Set(["trust.identity-differs"]));
  expect(await codes({ subject, issuer: "https://gitlab.com" })).toEqual(new Set(["trust.identity-differs"]));
  // An expression is for the whole of a name.
  expect(await codes({ subjectRegexp: "github", issuerRegexp: "token" })).toEqual(
    new Set(["trust.identity-differs"]),
  );
  await using another = await startSigstore();
  const other = join(machine.path, "other-root.json");
  writeFileSync(other, JSON.stringify(another.root));
  expect(await codes({ subject, issuer }, other)).toEqual(new Set(["trust.certificate-invalid"]));
});

test("a certificate that was not valid when the log took the signature in is refused", async () => {
  const json = JSON.parse(readFileSync(root, "utf8"));
  // The authority itself had ended before.
  json.certificateAuthorities[0].validFor.end = "2021-01-01T00:00:00Z";
  const ended = join(machine.path, "ended.json");
  writeFileSync(ended, JSON.stringify(json));
  const { checked } = await verify({ subject, issuer }, ended);
  expect(checked[0]?.failure?.code).toBe("trust.certificate-invalid");
});

test("a job of GitHub asks for its token, and a time stamp does instead of the log", async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization}`);
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ value: jobToken(subject, issuer) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const variables = {
    ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${port}/token?api-version=2`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: "job-secret",
  };
  try {
    const { failed } = await signAs(variables, { rekorUrl: undefined, tsaUrl: sigstore.url });
    expect(failed).toEqual([]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
  expect(asked[0]).toBe("/token?api-version=2&audience=sigstore bearer job-secret");
  const folder = join(machine.path, "tsa");
  mkdirSync(folder, { recursive: true });
  const withoutLog = { ...sigstore.root, tlogs: [] };
  writeFileSync(join(folder, "root.json"), JSON.stringify(withoutLog));
  const { checked } = await verify({ subject, issuer }, join(folder, "root.json"));
  expect(checked.map(({ failure }) => failure)).toEqual(checked.map(() => undefined));
});

test("a token never shows in what fails", async () => {
  const token = jobToken(subject, issuer);
  const { failed } = await signAs({ SIGSTORE_ID_TOKEN: token }, { fulcioUrl: `${sigstore.url}/nowhere` });
  expect(failed[0]?.failure.code).toBe("sign.keyless-failed");
  expect(JSON.stringify(failed)).not.toContain(token.split(".")[1]);
});

test("what cosign 2 keeps in annotations verifies as its bundle would", async () => {
  const { FulcioSigner, MessageSignatureBundleBuilder, RekorWitness } = await import("@sigstore/sign");
  const { bundleToJSON } = await import("@sigstore/bundle");
  const client = openTestClient(registry.url);
  const repository = client.open("tagged");
  const config = contentOf(utf8("{}"), mediaTypes.ociConfig);
  await repository.blobs.write(config);
  const image = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, layers: [] } as const;
  const manifest = encodeManifest({ ...image, config: config.descriptor });
  await repository.manifests.write(manifest, { tag: parseTag("1") });
  const { digest } = manifest.descriptor;
  const payload = encodePayload({ digest, reference: `${registry.host}/tagged`, annotations: {} });
  const builder = new MessageSignatureBundleBuilder({
    signer: new FulcioSigner({
      fulcioBaseURL: sigstore.url,
      identityProvider: { getToken: async () => jobToken(subject, issuer) },
    }),
    witnesses: [new RekorWitness({ rekorBaseURL: sigstore.url })],
  });
  const { messageSignature, verificationMaterial } = bundleToJSON(
    await builder.create({ data: Buffer.from(payload) }),
  );
  const [entry] = verificationMaterial.tlogEntries;
  const certificate =
    verificationMaterial.certificate ?? verificationMaterial.x509CertificateChain?.certificates[0];
  if (entry === undefined || certificate === undefined || messageSignature === undefined)
    throw new Error("the bundle lacks something");
  const layer = contentOf(payload, simpleSigningType);
  await repository.blobs.write(layer);
  const store = (signature: string) =>
    repository.manifests.write(
      encodeManifest({
        ...image,
        config: config.descriptor,
        layers: [
          {
            ...layer.descriptor,
            annotations: {
              "dev.cosignproject.cosign/signature": signature,
              "dev.sigstore.cosign/certificate": `-----BEGIN CERTIFICATE-----\n${certificate.rawBytes}\n-----END CERTIFICATE-----\n`,
              "dev.sigstore.cosign/bundle": JSON.stringify({
                SignedEntryTimestamp: entry.inclusionPromise?.signedEntryTimestamp,
                Payload: {
                  body: entry.canonicalizedBody,
                  integratedTime: Number(entry.integratedTime),
                  logIndex: Number(entry.logIndex),
                  logID: Buffer.from(entry.logId.keyId, "base64").toString("hex"),
                },
              }),
            },
          },
        ],
      }),
      { tag: signatureTag(digest) },
    );
  const found = async () =>
    (
      await verifySignatures(`oci+http://${registry.host}/tagged:1`, {
        home: machine.home,
        env: env(),
        identity: { subject, issuer },
        trustedRoot: root,
      })
    ).checked[0];
  await store(messageSignature.signature);
  expect(await found()).toMatchObject({ failure: undefined, by: [{ form: "payload" }] });
  await store(Buffer.from("another").toString("base64"));
  expect((await found())?.failure?.code).toBe("trust.certificate-invalid");
  await client[Symbol.asyncDispose]();
});
