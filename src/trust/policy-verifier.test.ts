import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { readAll, utf8 } from "../base/bytes.js";
import type { Clock } from "../base/clock.js";
import { contentOf } from "../oci/content.js";
import type { Descriptor } from "../oci/descriptor.js";
import { type Digest, digestOf } from "../oci/digest.js";
import { decodeImageManifest, encodeManifest } from "../oci/manifest.js";
import { mediaTypes } from "../oci/media-types.js";
import { createMemoryRegistry } from "../oci/memory.js";
import { parseRepositoryName, parseTag, type Tag } from "../oci/reference.js";
import type { Manifest, Repository } from "../oci/repository.js";
import { decodeBundle } from "./bundle.js";
import { openPrivateKey, type PrivateKey } from "./key.js";
import type { TrustPolicy } from "./policy.js";
import {
  claimedReference,
  collect,
  inOrder,
  type IndexMemory,
  policyVerifier,
  type VerifiedMemory,
} from "./policy-verifier.js";
import { attest, type SignatureFormat, signManifest } from "./sign.js";
import { keySigner } from "./signer.js";
import { renewIndex, type Signing, signingRepository } from "./signing-repository.js";
import { signatureAnnotation, signatureTag } from "./stored-signature.js";
import { trustingRepository } from "./trusting-repository.js";
import type { Verifier } from "./verifier.js";

const numRuns = process.env["STOWAGE_SOAK"] ? 2000 : 60;
const tag = parseTag("app");
const index = parseTag("index.spack");
const formats: readonly SignatureFormat[] = ["cosign2", "cosign3"];
let now = 1_700_000_000_000;
const clock: Clock = { now: () => now, sleep: async () => {} };

let alice: PrivateKey;
let bob: PrivateKey;
let mallory: PrivateKey;
beforeAll(async () => {
  const make = (): Promise<PrivateKey> =>
    openPrivateKey(
      utf8(
        String(
          generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({
            type: "pkcs8",
            format: "pem",
          }),
        ),
      ),
      { subject: "test", password: async () => "" },
    );
  [alice, bob, mallory] = await Promise.all([make(), make(), make()]);
});

const forgetful: VerifiedMemory = { has: async () => false, add: async () => {} };

function remembering(): IndexMemory {
  const seen = new Map<string, number>();
  return {
    read: async ({ name }) => seen.get(name),
    write: async ({ name }, counter) => void seen.set(name, counter),
  };
}

/** A repository that has a name, as those of real registries have. */
function repositoryAt(host: string, name: string, registry = createMemoryRegistry()): Repository {
  return {
    ...registry.repository(parseRepositoryName(name)),
    registry: `https://${host}`,
    label: `${host}/${name}`,
  };
}

async function store(repository: Repository, text: string, as: Tag | undefined): Promise<Descriptor> {
  const config = contentOf(utf8(text), mediaTypes.ociConfig);
  await repository.blobs.write(config);
  const manifest = encodeManifest({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: [],
  });
  await repository.manifests.write(manifest, as === undefined ? {} : { tag: as });
  return manifest.descriptor;
}

const policyOf = (keys: readonly PrivateKey[], more: Partial<TrustPolicy> = {}): TrustPolicy => ({
  origin: "trust.yaml:1",
  authorities: keys.map(({ publicKey }) => ({ type: "key", key: publicKey })),
  required: 1,
  signedAs: [],
  ...more,
});

const verifierOf = (policy: TrustPolicy, memory: IndexMemory = remembering()): Verifier =>
  policyVerifier({
    policy,
    certificates: undefined,
    clock,
    verified: forgetful,
    ordered: { tag: index, memory },
  });

const toolsOf = (key: PrivateKey, format: SignatureFormat) => ({
  signer: keySigner(key),
  formats: [format],
  clock,
  random: () => 0.5,
});

async function signAs(
  key: PrivateKey,
  repository: Repository,
  { subject, format, as = tag }: { subject: Descriptor; format: SignatureFormat; as?: Tag },
): Promise<void> {
  await signManifest(
    repository,
    { subject, reference: claimedReference(repository, as) },
    toolsOf(key, format),
  );
}

const code = (expected: string) => ({ code: expected, kind: "corrupt" });

for (const format of formats) {
  test(`${format}: what is signed by whom is trusted comes out, what is not does not`, async () => {
    const repository = repositoryAt("ghcr.io", "me/cache");
    const subject = await store(repository, "1", tag);
    const trusting = trustingRepository(repository, verifierOf(policyOf([alice])));
    await expect(trusting.manifests.read(tag)).rejects.toMatchObject(code("trust.unsigned"));
    await expect(trusting.manifests.stat(subject.digest)).rejects.toMatchObject(code("trust.unsigned"));
    await signAs(mallory, repository, { subject, format });
    await expect(trusting.manifests.read(tag)).rejects.toMatchObject(code("trust.key-unknown"));
    await signAs(alice, repository, { subject, format });
    expect((await trusting.manifests.read(tag))?.descriptor.digest).toBe(subject.digest);
    expect((await trusting.manifests.stat(subject.digest))?.digest).toBe(subject.digest);
    expect(await trusting.manifests.read(parseTag("none"))).toBeUndefined();
  });

  test(`${format}: a signature moved to another digest, tag or repository is refused, each by its name`, async () => {
    const registry = createMemoryRegistry();
    const repository = repositoryAt("ghcr.io", "me/cache", registry);
    const subject = await store(repository, "1", tag);
    await signAs(alice, repository, { subject, format });
    const verifier = verifierOf(policyOf([alice]));
    const { digest } = subject;
    await expect(verifier.verify(repository, { digest, tag: parseTag("other") })).rejects.toMatchObject(
      code("trust.reference-differs"),
    );
    await expect(
      verifier.verify({ ...repository, registry: "https://evil.example" }, { digest, tag }),
    ).rejects.toMatchObject(code("trust.reference-differs"));
    const copied = verifierOf(policyOf([alice], { signedAs: ["ghcr.io/me/cache"] }));
    await copied.verify({ ...repository, registry: "https://mirror.example" }, { digest, tag });
    const other = await store(repository, "2", parseTag("two"));
    await moveSignatures(repository, { from: subject, to: other });
    await expect(verifier.verify(repository, { digest: other.digest, tag: undefined })).rejects.toMatchObject(
      code("trust.digest-differs"),
    );
  });

  test(`${format}: one of two required signatures does not do, nor does one made twice`, async () => {
    const repository = repositoryAt("ghcr.io", "me/cache");
    const subject = await store(repository, "1", tag);
    const both = { digest: subject.digest, tag };
    const verifier = verifierOf(policyOf([alice, bob], { required: 2 }));
    await signAs(alice, repository, { subject, format });
    now += 1000;
    await signAs(alice, repository, { subject, format });
    await expect(verifier.verify(repository, both)).rejects.toMatchObject(code("trust.too-few"));
    await signAs(bob, repository, { subject, format });
    await verifier.verify(repository, both);
  });

  test(`${format}: an old index is not taken for a new one, nor one that is too old`, async () => {
    const repository = repositoryAt("ghcr.io", "me/cache");
    const policy = policyOf([alice], { maxAge: 3600_000 });
    const signing: Signing = {
      ...toolsOf(alice, format),
      ordered: { tag: index, memory: remembering(), policy, certificates: undefined },
    };
    const writer = signingRepository(repository, signing);
    const old = await store(writer, "old", index);
    const verifier = verifierOf(policy);
    await verifier.verify(repository, { digest: old.digest, tag: index });
    const fresh = await store(writer, "new", index);
    await verifier.verify(repository, { digest: fresh.digest, tag: index });
    await expect(verifier.verify(repository, { digest: old.digest, tag: index })).rejects.toMatchObject(
      code("trust.index-rollback"),
    );
    // A reader who has seen neither cannot know; an hour later it does.
    await verifierOf(policy).verify(repository, { digest: old.digest, tag: index });
    now += 3601_000;
    await expect(
      verifierOf(policy).verify(repository, { digest: fresh.digest, tag: index }),
    ).rejects.toMatchObject(code("trust.index-stale"));
    const asked = { repository, subject: { digest: old.digest, tag: index }, policy, clock, seen: 0 };
    const late = inOrder(
      await collect(repository, asked.subject, { policy, certificates: undefined }),
      asked,
    );
    expect(late.faults.map((fault) => fault.code)).toEqual(["trust.index-stale"]);
    // Back to the old content, on purpose: signed again, it is the newest.
    await store(writer, "old", index);
    await verifier.verify(repository, { digest: old.digest, tag: index });
  });

  test(`${format}: what is signed no more, as its signatures were taken away, is not trusted`, async () => {
    const repository = repositoryAt("ghcr.io", "me/cache");
    const subject = await store(repository, "1", tag);
    await signAs(alice, repository, { subject, format });
    const verifier = verifierOf(policyOf([alice]));
    await verifier.verify(repository, { digest: subject.digest, tag });
    const tagged = await repository.manifests.stat(signatureTag(subject.digest));
    for (const { digest } of [...(await repository.referrers(subject.digest)), ...(tagged ? [tagged] : [])])
      await repository.manifests.delete(digest);
    await expect(
      verifierOf(policyOf([alice])).verify(repository, { digest: subject.digest, tag }),
    ).rejects.toMatchObject(code("trust.unsigned"));
  });

  test(`${format}: no flipped byte of anything that is stored changes what is accepted`, async () => {
    const repository = repositoryAt("ghcr.io", "me/cache");
    const subject = await store(repository, "1", tag);
    await signAs(alice, repository, { subject, format });
    const parts = await partsOf(repository, subject);
    const verifier = verifierOf(policyOf([alice]));
    await fc.assert(
      fc.asyncProperty(
        fc.nat(parts.length - 1),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (which, at, bits) => {
          const part = parts[which];
          if (part === undefined) return;
          const bytes = Uint8Array.from(part.bytes);
          bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ bits;
          // As served by a liar who also mends every digest on the way; and by one who does not.
          for (const mends of [true, false]) {
            const lying = withBytes(repository, { of: part.digest, bytes, mends });
            const trusting = trustingRepository(lying, verifier);
            const found = await trusting.manifests.read(tag).catch((error: unknown) => error);
            if (!(found instanceof Error)) expect((found as Manifest).descriptor.digest).toBe(subject.digest);
          }
        },
      ),
      { numRuns },
    );
  });
}

test("a signature that was altered is told from one of another key", async () => {
  const repository = repositoryAt("ghcr.io", "me/cache");
  const subject = await store(repository, "1", tag);
  await signAs(alice, repository, { subject, format: "cosign2" });
  const at = signatureTag(subject.digest);
  const manifest = await repository.manifests.read(at);
  if (manifest === undefined) throw new Error("no signature");
  const image = decodeImageManifest(manifest);
  const altered = image.layers.map((layer) => ({
    ...layer,
    annotations: { ...layer.annotations, [signatureAnnotation]: Buffer.from("another").toString("base64") },
  }));
  await repository.manifests.write(encodeManifest({ ...image, layers: altered }), { tag: at });
  const verifier = verifierOf(policyOf([alice]));
  await expect(verifier.verify(repository, { digest: subject.digest, tag })).rejects.toMatchObject(
    code("trust.signature-invalid"),
  );
});

test("a payload that was altered, its digest mended, is refused", async () => {
  const repository = repositoryAt("ghcr.io", "me/cache");
  const [good, bad] = [await store(repository, "1", tag), await store(repository, "2", undefined)];
  await signAs(alice, repository, { subject: good, format: "cosign2" });
  const manifest = await repository.manifests.read(signatureTag(good.digest));
  if (manifest === undefined) throw new Error("no signature");
  const image = decodeImageManifest(manifest);
  const [layer] = image.layers;
  if (layer === undefined) throw new Error("no layer");
  const payload = await readAll(repository.blobs.read(layer), { limit: 10_000, subject: "payload" });
  const forged = contentOf(utf8(Buffer.from(payload).toString().replaceAll(good.digest, bad.digest)));
  await repository.blobs.write(forged);
  const { digest, size } = forged.descriptor;
  await repository.manifests.write(encodeManifest({ ...image, layers: [{ ...layer, digest, size }] }), {
    tag: signatureTag(bad.digest),
  });
  const verifier = verifierOf(policyOf([alice]));
  await expect(verifier.verify(repository, { digest: bad.digest, tag: undefined })).rejects.toMatchObject(
    code("trust.signature-invalid"),
  );
});

test("an attestation is no signature", async () => {
  const repository = repositoryAt("ghcr.io", "me/cache");
  const subject = await store(repository, "1", tag);
  const claim = { digest: subject.digest, reference: undefined, annotations: {} };
  const statement = { subjects: [claim], predicateType: "https://slsa.dev/provenance/v1", predicate: {} };
  await attest(repository, { subject, statement }, toolsOf(alice, "cosign3"));
  await expect(
    verifierOf(policyOf([alice])).verify(repository, { digest: subject.digest, tag }),
  ).rejects.toMatchObject(code("trust.unsigned"));
});

test("two who sign one digest at once both end in its tag, however their requests fall", async () => {
  const turns = process.env["STOWAGE_SOAK"] ? 300 : 20;
  await fc.assert(
    fc.asyncProperty(fc.infiniteStream(fc.nat(3)), async (delays) => {
      const repository = repositoryAt("ghcr.io", "me/cache");
      const subject = await store(repository, "1", tag);
      let time = 0;
      const ready: { at: number; go: () => void }[] = [];
      const wait = (ms: number): Promise<void> => new Promise((go) => ready.push({ at: time + ms, go }));
      const slow = slowed(repository, () => wait(1 + (delays.next().value ?? 0)));
      const virtual: Clock = { now: () => time, sleep: (ms) => wait(ms) };
      let open = 2;
      // Each as a process of its own: nothing but the registry is shared.
      const signers = [alice, bob].map(async (key, i) => {
        const own = { ...slow, registry: `https://ghcr.io${i === 0 ? "" : ":443"}` };
        const call = { ...toolsOf(key, "cosign2"), clock: virtual };
        await signManifest(own, { subject, reference: "ghcr.io/me/cache:app" }, call);
        open -= 1;
      });
      while (open > 0) {
        await new Promise((resolve) => setImmediate(resolve));
        const next = ready.sort((a, b) => a.at - b.at).shift();
        if (next === undefined) continue;
        time = Math.max(time, next.at);
        next.go();
      }
      await Promise.all(signers);
      const both = verifierOf(policyOf([alice, bob], { required: 2 }));
      await both.verify(repository, { digest: subject.digest, tag });
    }),
    { numRuns: turns },
  );
});

/** The same repository, each of whose manifest requests takes its time. */
function slowed(repository: Repository, wait: () => Promise<void>): Repository {
  const { manifests } = repository;
  return {
    ...repository,
    manifests: {
      ...manifests,
      async read(reference, call) {
        await wait();
        return manifests.read(reference, call);
      },
      async write(manifest, call) {
        await wait();
        await manifests.write(manifest, call);
      },
    },
  };
}

interface Part {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** All that a verification reads: the manifest, those of its signatures, and their blobs. */
async function partsOf(repository: Repository, subject: Descriptor): Promise<readonly Part[]> {
  const manifests = [
    await repository.manifests.read(subject.digest),
    await repository.manifests.read(signatureTag(subject.digest)),
    ...(await Promise.all(
      (await repository.referrers(subject.digest)).map(({ digest }) => repository.manifests.read(digest)),
    )),
  ].filter((one) => one !== undefined);
  const parts: Part[] = [];
  for (const { descriptor, bytes } of manifests) {
    parts.push({ digest: descriptor.digest, bytes });
    for (const layer of decodeImageManifest({ descriptor, bytes }).layers)
      parts.push({
        digest: layer.digest,
        bytes: await readAll(repository.blobs.read(layer), { limit: 100_000, subject: "part" }),
      });
  }
  return parts;
}

/** A repository that serves other bytes for a digest, and says another digest with them if it `mends`. */
function withBytes(
  repository: Repository,
  { of, bytes, mends }: { of: Digest; bytes: Uint8Array; mends: boolean },
): Repository {
  const digest = mends ? digestOf(bytes) : of;
  const { manifests, blobs } = repository;
  const replace = (manifest: Manifest | undefined): Manifest | undefined => {
    if (manifest === undefined) return undefined;
    if (manifest.descriptor.digest === of)
      return { descriptor: { ...manifest.descriptor, digest, size: bytes.byteLength }, bytes };
    // Whoever names what was changed names it by its new digest.
    const text = Buffer.from(manifest.bytes).toString("latin1");
    if (!mends || !text.includes(of)) return manifest;
    const mended = Buffer.from(text.replaceAll(of, digest), "latin1");
    return { descriptor: { ...manifest.descriptor, digest: digestOf(mended) }, bytes: mended };
  };
  return {
    ...repository,
    manifests: {
      ...manifests,
      read: async (reference, call) =>
        replace(await manifests.read(reference === digest ? of : reference, call)),
      stat: async (reference, call) =>
        replace(await manifests.read(reference === digest ? of : reference, call))?.descriptor,
    },
    blobs: {
      ...blobs,
      async *read(descriptor, call) {
        if (descriptor.digest === of || descriptor.digest === digest) yield bytes;
        else yield* blobs.read(descriptor, call);
      },
    },
  };
}

async function moveSignatures(
  repository: Repository,
  { from, to }: { from: Descriptor; to: Descriptor },
): Promise<void> {
  const tagged = await repository.manifests.read(signatureTag(from.digest));
  if (tagged !== undefined) await repository.manifests.write(tagged, { tag: signatureTag(to.digest) });
  for (const { digest } of await repository.referrers(from.digest)) {
    const manifest = await repository.manifests.read(digest);
    if (manifest === undefined) continue;
    const { mediaType, digest: at, size } = to;
    await repository.manifests.write(
      encodeManifest({ ...decodeImageManifest(manifest), subject: { mediaType, digest: at, size } }),
    );
  }
}

test("what accompanies a manifest is not signed by whoever copies it, nor another index than the one that was read", async () => {
  const repository = repositoryAt("ghcr.io", "me/cache");
  const memory = remembering();
  const policy = policyOf([alice]);
  const signing: Signing = {
    ...toolsOf(alice, "cosign2"),
    ordered: { tag: index, memory, policy, certificates: undefined },
  };
  const writer = signingRepository(repository, signing);
  const { digest } = await store(repository, "1", undefined);
  const evil = await store(writer, "evil", signatureTag(digest));
  expect(await repository.manifests.stat(signatureTag(evil.digest))).toBeUndefined();

  const known = await store(writer, "index", index);
  const swapped = await store(repository, "older", index);
  await renewIndex(repository, known.digest, signing);
  const verifier = verifierOf(policy, memory);
  await verifier.verify(repository, { digest: known.digest, tag: index });
  await expect(verifier.verify(repository, { digest: swapped.digest, tag: index })).rejects.toMatchObject(
    code("trust.unsigned"),
  );
});

test("who signs goes on with what it has written before others have signed it, too, and with nothing else", async () => {
  const repository = repositoryAt("ghcr.io", "me/cache");
  const policy = policyOf([alice, bob], { required: 2 });
  const ordered = { tag: index, memory: remembering(), policy, certificates: undefined };
  const signing = signingRepository(repository, { ...toolsOf(alice, "cosign2"), ordered });
  const writer = trustingRepository(signing, verifierOf(policy), { own: true });
  const { digest } = await store(writer, "1", tag);
  expect((await writer.manifests.stat(tag))?.digest).toBe(digest);
  await store(writer, "2", undefined);
  await store(repository, "2", tag);
  await expect(writer.manifests.stat(tag)).rejects.toMatchObject(code("trust.unsigned"));
  await expect(
    trustingRepository(repository, verifierOf(policy)).manifests.stat(digest),
  ).rejects.toMatchObject(code("trust.too-few"));
});

test("of an index that was signed again and again, the newest signature tells that it is too old", async () => {
  const repository = repositoryAt("ghcr.io", "me/cache");
  const policy = policyOf([alice], { maxAge: 1000 });
  const memory = remembering();
  const ordered = { tag: index, memory, policy, certificates: undefined };
  const signing = { ...toolsOf(alice, "cosign2"), ordered };
  const { digest } = await store(signingRepository(repository, signing), "1", index);
  await renewIndex(repository, digest, signing);
  await verifierOf(policy, memory).verify(repository, { digest, tag: index });
  await renewIndex(repository, digest, signing);
  const reader = verifierOf(policy, memory);
  await reader.verify(repository, { digest, tag: index });
  now += 1001;
  await expect(reader.verify(repository, { digest, tag: index })).rejects.toMatchObject(
    code("trust.index-stale"),
  );
});

test("what a signed index of images names is as good as itself, and nothing else is", async () => {
  const repository = repositoryAt("docker.io", "library/debian");
  const [amd64, other] = [
    await store(repository, "amd64", undefined),
    await store(repository, "x", undefined),
  ];
  const images = encodeManifest({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [amd64] });
  await repository.manifests.write(images, { tag });
  const trusting = trustingRepository(repository, verifierOf(policyOf([alice])), { accompanied: false });
  await expect(trusting.manifests.read(tag)).rejects.toMatchObject(code("trust.unsigned"));
  await expect(trusting.manifests.read(amd64.digest)).rejects.toMatchObject(code("trust.unsigned"));
  await signAs(alice, repository, { subject: images.descriptor, format: "cosign2" });
  await trusting.manifests.read(tag);
  expect((await trusting.manifests.read(amd64.digest))?.descriptor.digest).toBe(amd64.digest);
  await expect(trusting.manifests.read(other.digest)).rejects.toMatchObject(code("trust.unsigned"));
});

test("no more than so many signatures are looked at, whoever adds them", async () => {
  const repository = repositoryAt("ghcr.io", "me/cache");
  const { digest } = await store(repository, "1", tag);
  const fake = {
    mediaType: mediaTypes.ociManifest,
    size: 1,
    artifactType: "application/vnd.dev.sigstore.bundle.v0.3+json",
  };
  let asked = 0;
  const flooded: Repository = {
    ...repository,
    referrers: async () =>
      Array.from({ length: 10_000 }, (_, i) => ({ ...fake, digest: digestOf(utf8(`${i}`)) })),
    manifests: {
      ...repository.manifests,
      read: async () => {
        asked += 1;
        return undefined;
      },
    },
  };
  await expect(verifierOf(policyOf([alice])).verify(flooded, { digest, tag })).rejects.toMatchObject(
    code("trust.unsigned"),
  );
  expect(asked).toBeLessThan(600);
});

test("a bundle that has an envelope and a message's signature is none: one might be checked, the other read", async () => {
  const repository = repositoryAt("ghcr.io", "me/cache");
  const subject = await store(repository, "1", tag);
  await signAs(alice, repository, { subject, format: "cosign3" });
  const [bundle] = (await partsOf(repository, subject)).flatMap(({ bytes }) => {
    const text = Buffer.from(bytes).toString();
    return text.includes('"dsseEnvelope"') ? [text] : [];
  });
  if (bundle === undefined) throw new Error("no bundle");
  const message = { messageDigest: { algorithm: "SHA2_256", digest: "" }, signature: "" };
  const both = JSON.stringify({ ...JSON.parse(bundle), messageSignature: message });
  expect(decodeBundle(utf8(bundle), "it").keyHint).toBe(alice.publicKey.fingerprint);
  expect(() => decodeBundle(utf8(both), "it")).toThrow("not valid at messageSignature");
});

test("signatures and what refers to a manifest come out unsigned, so that they can be copied with it", async () => {
  const repository = repositoryAt("ghcr.io", "me/cache");
  const subject = await store(repository, "1", tag);
  for (const format of formats) await signAs(alice, repository, { subject, format });
  const trusting = trustingRepository(repository, verifierOf(policyOf([alice])));
  expect(await trusting.manifests.read(signatureTag(subject.digest))).toBeDefined();
  const [referrer] = await trusting.referrers(subject.digest);
  if (referrer === undefined) throw new Error("no referrer");
  expect(await trusting.manifests.read(referrer.digest)).toBeDefined();
  // Who asks for an image by a tag may be given any: none is let through for its form.
  const images = trustingRepository(repository, verifierOf(policyOf([alice])), { accompanied: false });
  await images.referrers(subject.digest);
  for (const reference of [signatureTag(subject.digest), referrer.digest])
    await expect(images.manifests.read(reference)).rejects.toMatchObject(code("trust.unsigned"));
});
