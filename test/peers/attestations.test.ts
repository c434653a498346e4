import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AttestResult, attest, verifyAttestations } from "../../src/app/attest.js";
import { install } from "../../src/app/install.js";
import { generateKey } from "../../src/app/key.js";
import type { PushResult } from "../../src/app/push.js";
import { referrers } from "../../src/app/referrers.js";
import { sign } from "../../src/app/sign.js";
import { readAll, utf8 } from "../../src/base/bytes.js";
import { contentOf } from "../../src/oci/content.js";
import { demandManifest } from "../../src/oci/copy.js";
import { decodeImageManifest } from "../../src/oci/manifest.js";
import { parseTag } from "../../src/oci/reference.js";
import type { Repository } from "../../src/oci/repository.js";
import { bundleType } from "../../src/trust/bundle.js";
import { attach } from "../../src/trust/sign.js";
import { openTestClient } from "../support/client.js";
import { cosignAt } from "../support/cosign.js";
import { missingProgram, run, startDockerRegistry } from "../support/peers.js";
import { type PushingMachine, pushingMachine } from "../support/push.js";
import { spackRoot } from "../support/fixtures.js";
import { startRegistry, type TestRegistry } from "../support/registry.js";

const password = "correct horse battery staple";
const provenance = "https://slsa.dev/provenance/v1";
const zlibTag = parseTag("zlib-1.2.13-7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z.spack");
const libgreetTag = parseTag("libgreet-1.4.2-dliq6qbpjgdd5ycmfvwzmqycis6gelcr.spack");

let machine: PushingMachine;
let registry: TestRegistry;
/** What was pushed to the mirror `built`, and attested there. */
let pushed: PushResult;
let built: AttestResult;
const at = (name: string): string => join(machine.path, name);
const mirrorAt = (name: string): string => `oci+http://${registry.host}/${name}`;

beforeAll(async () => {
  machine = pushingMachine();
  registry = await startRegistry();
  await generateKey({ ...options(), prefix: "good" });
  await generateKey({ ...options(), prefix: "other" });
  pushed = await machine.push(mirrorAt("built"), { specs: ["greet"], updateIndex: true });
  built = await attest(mirrorAt("built"), { ...builder(), specs: ["libgreet"] });
}, 60_000);
afterAll(async () => {
  await registry?.close();
  machine?.[Symbol.dispose]();
});

const secret = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";
/** A job of GitHub, with what must not leave it. */
const job = {
  GITHUB_ACTIONS: "true",
  GITHUB_SERVER_URL: "https://github.com",
  GITHUB_REPOSITORY: "me/stack",
  GITHUB_WORKFLOW_REF: "me/stack/.github/workflows/build.yml@refs/heads/main",
  GITHUB_REF: "refs/heads/main",
  GITHUB_SHA: "0123456789abcdef0123456789abcdef01234567",
  GITHUB_RUN_ID: "42",
  GITHUB_RUN_ATTEMPT: "2",
  GITHUB_TOKEN: secret,
  SIGNING_SECRET: secret,
};

const options = (env: Record<string, string> = {}) => ({
  home: machine.home,
  cwd: machine.path,
  env: {
    HOME: machine.home,
    SPACK_USER_CONFIG_PATH: join(machine.home, "spack"),
    SPACK_SYSTEM_CONFIG_PATH: join(machine.home, "system"),
    COSIGN_PASSWORD: password,
    ...env,
  },
});
/** Where the packages were built. */
const builder = () => ({
  ...options(job),
  store: spackRoot,
  sysroot: join(machine.path, "machine"),
  key: at("good.key"),
});
const good = () => ({ ...options(), keys: [at("good.pub")] });

test("provenance names the spec, the job, sources and dependencies by the digests of their manifests", async () => {
  const mirror = mirrorAt("built");
  expect([built.attested.map(({ tag }) => tag), built.failed]).toEqual([[libgreetTag], []]);
  const found = await verifyAttestations(`${mirror}:${libgreetTag}`, { ...good(), type: "slsaprovenance1" });
  const [one] = found.attestations;
  expect(one?.predicateType).toBe(provenance);
  const digestOf = (name: string) =>
    pushed.pushed.find((each) => each.name === name)?.manifest.replace("sha256:", "");
  expect(one?.predicate).toMatchObject({
    buildDefinition: {
      buildType: "https://stowage.dev/spack-build/v1",
      externalParameters: { hash: "dliq6qbpjgdd5ycmfvwzmqycis6gelcr" },
      internalParameters: {
        environment: { host_os: "debian12" },
        variables: { GITHUB_RUN_ID: "42", GITHUB_SHA: job.GITHUB_SHA },
      },
      resolvedDependencies: expect.arrayContaining([
        { uri: "git+https://github.com/me/stack@refs/heads/main", digest: { gitCommit: job.GITHUB_SHA } },
        expect.objectContaining({
          name: "zlib@1.2.13/7i7xbvp",
          digest: { sha256: digestOf("zlib") },
          annotations: { spackDagHash: "7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z" },
        }),
        expect.objectContaining({ annotations: expect.objectContaining({ external: true }) }),
      ]),
    },
    runDetails: {
      builder: { id: "https://github.com/me/stack/.github/workflows/build.yml@refs/heads/main" },
      metadata: { invocationId: "https://github.com/me/stack/actions/runs/42/attempts/2" },
    },
  });
  const text = JSON.stringify(found);
  expect(text).not.toContain(secret);
  expect(text).not.toContain('"hostname"');
});

test("what is not attested, attested by others, or of another type, is refused, each by its own error", async () => {
  const mirror = mirrorAt("built");
  await expect(verifyAttestations(`${mirror}:${zlibTag}`, good())).rejects.toMatchObject({
    code: "trust.attestation-missing",
  });
  const image = `${mirror}:${libgreetTag}`;
  await expect(verifyAttestations(image, { ...good(), keys: [at("other.pub")] })).rejects.toMatchObject({
    code: "trust.key-unknown",
  });
  await expect(verifyAttestations(image, { ...good(), type: "vuln" })).rejects.toMatchObject({
    code: "trust.attestation-type",
  });
  await expect(verifyAttestations(image, options())).rejects.toMatchObject({
    code: "signature.policy-missing",
  });
  // A signature says nothing about how something was built.
  await sign(mirror, { ...options(), key: at("good.key"), specs: ["zlib"], signatureFormats: ["cosign3"] });
  await expect(verifyAttestations(`${mirror}:${zlibTag}`, good())).rejects.toMatchObject({
    code: "trust.attestation-missing",
  });
});

/** The JSON of the only bundle that refers to a tag. */
async function bundleOf(repository: Repository, tag: typeof zlibTag) {
  const { descriptor } = await demandManifest(repository, tag);
  const [referrer] = await repository.referrers(descriptor.digest, { artifactType: bundleType });
  if (referrer === undefined) throw new Error("no bundle");
  const [layer] = decodeImageManifest(await demandManifest(repository, referrer.digest)).layers;
  if (layer === undefined) throw new Error("no layer");
  const bytes = await readAll(repository.blobs.read(layer), { limit: 1 << 20, subject: tag });
  return { subject: descriptor, referrer, bytes };
}

test("an attestation moved to another manifest, or altered, is refused", async () => {
  const mirror = mirrorAt("tampered");
  await machine.push(mirror, { specs: ["greet"], updateIndex: true });
  await attest(mirror, { ...builder(), specs: ["libgreet"] });
  await using client = openTestClient(registry.url);
  const repository = client.open("tampered");
  const { subject, referrer, bytes } = await bundleOf(repository, libgreetTag);
  const zlib = (await demandManifest(repository, zlibTag)).descriptor;
  const store = (to: typeof zlib, content: Uint8Array) =>
    attach(repository, { subject: to, artifactType: bundleType, layers: [contentOf(content, bundleType)] });
  await store(zlib, bytes);
  await expect(verifyAttestations(`${mirror}:${zlibTag}`, good())).rejects.toMatchObject({
    code: "trust.digest-differs",
  });
  const bundle = JSON.parse(Buffer.from(bytes).toString());
  const said = Buffer.from(bundle.dsseEnvelope.payload, "base64").toString();
  const altered = said.replace("build.yml", "evil.yml");
  expect(altered).not.toBe(said);
  bundle.dsseEnvelope.payload = Buffer.from(altered).toString("base64");
  await store(subject, utf8(JSON.stringify(bundle)));
  await repository.manifests.delete(referrer.digest);
  await expect(verifyAttestations(`${mirror}:${libgreetTag}`, good())).rejects.toMatchObject({
    code: "trust.signature-invalid",
  });
});

test("what was not built here is not attested to have been", async () => {
  const mirror = mirrorAt("built");
  const elsewhere = { ...options(job), store: at("elsewhere"), key: at("good.key") };
  await install(["zlib"], { ...elsewhere, hostCompatible: false, mirror });
  const done = await attest(mirror, { ...elsewhere, specs: ["zlib"] });
  expect(done.failed.map(({ failure }) => failure.code)).toEqual(["attest.not-built-here"]);
  const all = await attest(mirror, { ...elsewhere, all: true });
  expect([all.attested, all.skipped.length > 0]).toEqual([[], true]);
  await expect(attest(mirror, { ...builder(), ...options(), specs: ["zlib"] })).rejects.toMatchObject({
    code: "attest.builder-unknown",
  });
});

test("what the mirror has must be what was built here", async () => {
  const mirror = mirrorAt("other-content");
  await machine.push(mirror, { specs: ["zlib"], updateIndex: true, compressionLevel: 1 });
  const asked = { ...builder(), specs: ["zlib"] };
  expect((await attest(mirror, asked)).failed).toEqual([]);
  // Somebody else has pushed something else under the same hash.
  const prefix = machine.locate(`${spackRoot}/linux-x86_64/zlib-1.2.13-7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z`);
  writeFileSync(join(prefix, "evil"), "evil");
  await machine.push(mirror, { specs: ["zlib"], only: "package", force: true });
  rmSync(join(prefix, "evil"));
  const { failed } = await attest(mirror, asked);
  expect(failed.map(({ failure }) => failure.code)).toEqual(["attest.content-differs"]);
});

test("anything else can be said: a file, or the SBOM that is attached", async () => {
  const mirror = mirrorAt("said");
  await machine.push(mirror, { specs: ["zlib"], updateIndex: true, sbom: true });
  writeFileSync(at("scan.json"), '{"scanner": {"result": {"found": 0}}}');
  const said = { ...options(), key: at("good.key"), specs: ["zlib"] };
  await attest(mirror, { ...said, predicate: "scan.json", type: "vuln" });
  await attest(mirror, { ...said, type: "spdx" });
  const image = `${mirror}:${zlibTag}`;
  const scan = await verifyAttestations(image, { ...good(), type: "vuln" });
  expect(scan.attestations.map(({ predicate }) => predicate)).toEqual([
    { scanner: { result: { found: 0 } } },
  ]);
  const bill = await verifyAttestations(image, { ...good(), type: "spdxjson" });
  expect(bill.attestations[0]?.predicate).toMatchObject({ spdxVersion: "SPDX-2.3" });
  for (const [wrong, code] of [
    [{ predicate: "scan.json" }, "attest.type-unknown"],
    [{ predicate: "scan.json", type: "no type" }, "attest.type-unknown"],
    [{ type: "vuln" }, "attest.predicate-missing"],
  ] as const)
    await expect(attest(mirror, { ...said, ...wrong })).rejects.toMatchObject({ code });
  const none = await attest(mirror, { ...said, type: "cyclonedx" });
  expect(none.failed.map(({ failure }) => failure.code)).toEqual(["attest.predicate-missing"]);
});

test("referrers tells all that refers to an image, in either form, and to that in turn", async () => {
  const mirror = mirrorAt("referred");
  await machine.push(mirror, { specs: ["zlib"], updateIndex: true, sbom: true });
  const both = { signatureFormats: ["cosign2", "cosign3"] } as const;
  await sign(mirror, { ...options(), key: at("good.key"), specs: ["zlib"], only: "package", ...both });
  await attest(mirror, { ...builder(), specs: ["zlib"], ...both });
  const { referrers: found } = await referrers(`${mirror}:${zlibTag}`, options());
  expect(found.map(({ kind, tag }) => `${kind} ${tag === undefined ? "" : tag.slice(-3)}`).sort()).toEqual([
    "attestation ",
    "attestation att",
    "sbom ",
    "signature ",
    "signature sig",
  ]);
  const [signer] = found.flatMap(({ signers }) => signers);
  expect(signer).toMatch(/^key sha256:[0-9a-f]+$/);
  expect(found.filter(({ signers }) => signers[0] === signer)).toHaveLength(3);
  const bill = found.find(({ kind }) => kind === "sbom");
  expect(bill).toMatchObject({ type: "application/spdx+json", referrers: [] });
  // An SBOM may be signed, too.
  await using client = openTestClient(registry.url);
  const repository = client.open("referred");
  const { descriptor } = await demandManifest(repository, bill?.digest ?? zlibTag);
  await attach(repository, { subject: descriptor, artifactType: "application/x", layers: [] });
  const again = await referrers(`${mirror}:${zlibTag}`, options());
  expect(again.referrers.find(({ kind }) => kind === "sbom")?.referrers).toHaveLength(1);
});

const docker = missingProgram("docker-registry");
test.skipIf(docker !== undefined)(
  `a registry without referrers keeps attestations by the fallback tag${docker === undefined ? "" : ` (${docker})`}`,
  async () => {
    await using peer = await startDockerRegistry();
    const mirror = `oci+http://${peer.host}/cache`;
    await machine.push(mirror, { specs: ["zlib"], updateIndex: true });
    await attest(mirror, { ...builder(), specs: ["zlib"], signatureFormats: ["cosign2", "cosign3"] });
    const found = await verifyAttestations(`${mirror}:${zlibTag}`, good());
    expect(found.attestations).toHaveLength(2);
  },
);

for (const [version, form, flags] of [
  ["v2.6.5", "cosign2", []],
  ["v2.6.5", "cosign3", ["--new-bundle-format=true"]],
  ["v3.1.3", "cosign2", ["--new-bundle-format=false"]],
  ["v3.1.3", "cosign3", []],
] as const) {
  const cosign = cosignAt(version);
  test.skipIf(cosign === undefined)(
    `cosign ${version} verifies what is attested as ${form}, and we what it attests${cosign === undefined ? " (it is not built)" : ""}`,
    async () => {
      const name = `${form}-${version.replaceAll(".", "-")}`;
      const mirror = mirrorAt(name);
      await machine.push(mirror, { specs: ["zlib"], updateIndex: true });
      await attest(mirror, { ...builder(), specs: ["zlib"], signatureFormats: [form] });
      const image = `${registry.host}/${name}:${zlibTag}`;
      // Without a root it would ask the network for the public sigstore's.
      writeFileSync(
        at("root.json"),
        '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}',
      );
      const root = form === "cosign3" ? [`--trusted-root=${at("root.json")}`] : [];
      const common = [...flags, "--allow-http-registry"];
      const asked = ["--type", "slsaprovenance1", "--insecure-ignore-tlog=true", ...root, ...common];
      const environment = { HOME: machine.home, COSIGN_PASSWORD: password };
      const verify = (key: string) =>
        run(cosign ?? "", ["verify-attestation", "--key", at(key), ...asked, image], environment);
      const verified = await verify("good.pub");
      expect(Buffer.from(JSON.parse(verified.split("\n")[0] ?? "").payload, "base64").toString()).toContain(
        '"predicateType":"https://slsa.dev/provenance/v1"',
      );
      await expect(verify("other.pub")).rejects.toThrow();
      writeFileSync(at("said.json"), '{"a": 1}');
      const quiet = [
        ...(version === "v3.1.3" ? ["--use-signing-config=false"] : []),
        "--tlog-upload=false",
        "--yes",
      ];
      const said = ["--type", "https://example.org/said", "--predicate", at("said.json")];
      const signing = ["attest", "--key", at("other.key"), ...said, ...quiet, ...common, image];
      await run(cosign ?? "", signing, environment);
      const ours = await verifyAttestations(`oci+http://${image}`, {
        ...options(),
        keys: [at("other.pub")],
        type: "https://example.org/said",
      });
      expect(ours.attestations[0]?.predicate).toEqual({ a: 1 });
    },
    60_000,
  );
}

test("no secret of the job or the key is in what is stored", async () => {
  const key = readFileSync(at("good.key"), "utf8");
  expect(key).toContain("PRIVATE KEY");
  await using client = openTestClient(registry.url);
  const { bytes } = await bundleOf(client.open("built"), libgreetTag);
  const payload = Buffer.from(JSON.parse(Buffer.from(bytes).toString()).dsseEnvelope.payload, "base64");
  for (const text of [Buffer.from(bytes).toString(), payload.toString()])
    for (const one of [secret, password]) expect(text).not.toContain(one);
});
