import { setTimeout as sleep } from "node:timers/promises";
import { type Call, checkInterrupted } from "../../base/call.js";
import { Failure } from "../../base/failure.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { algorithmOf, type Digest, digestOf, hexOf } from "../../oci/digest.js";
import { decodeImageIndex, encodeManifest, type ImageIndex } from "../../oci/manifest.js";
import { mediaTypes } from "../../oci/media-types.js";
import { parseTag, type Tag } from "../../oci/reference.js";
import type { ManifestStore } from "../../oci/repository.js";
import { type Answer, isWebPage, unexpected } from "../http-client/answer.js";
import { type Endpoint, pagesOf } from "./endpoint.js";

/** The tag that stands in for the referrers API (distribution-spec 1.1, "Referrers Tag Schema"). */
const fallbackTag = (subject: Digest): Tag =>
  parseTag(`${algorithmOf(subject).slice(0, 32)}-${hexOf(subject).slice(0, 64)}`);

const emptyIndex: ImageIndex = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] };

export async function listReferrers(
  endpoint: Endpoint,
  {
    subject,
    store,
    artifactType,
  }: { subject: Digest; store: ManifestStore; artifactType?: string | undefined },
  call: Call | undefined,
): Promise<readonly Descriptor[]> {
  const found =
    (await askApi(endpoint, { subject, artifactType }, call)) ??
    (await readFallback(store, subject, call)).manifests;
  // A registry that filters says so by OCI-Filters-Applied; those that do not are none the wiser.
  return found.filter((entry) => artifactType === undefined || entry.artifactType === artifactType);
}

/** Undefined where the registry does not know the API. */
async function askApi(
  endpoint: Endpoint,
  { subject, artifactType }: { subject: Digest; artifactType: string | undefined },
  call: Call | undefined,
): Promise<readonly Descriptor[] | undefined> {
  const access = endpoint.access(["pull"]);
  const first = endpoint.url(`referrers/${subject}`, artifactType === undefined ? {} : { artifactType });
  const entries: Descriptor[] = [];
  const ask = (url: URL): Promise<Answer> =>
    endpoint.client.send({ method: "GET", url, access, headers: { accept: mediaTypes.ociIndex } }, call);
  for await (const answer of pagesOf(first, ask)) {
    if ([400, 404, 405].includes(answer.status)) return undefined;
    if (answer.status !== 200 || isWebPage(answer)) throw unexpected(answer);
    const { bytes } = answer;
    const descriptor = { mediaType: mediaTypes.ociIndex, digest: digestOf(bytes), size: bytes.byteLength };
    entries.push(...decodeImageIndex({ descriptor, bytes }).manifests);
  }
  return entries;
}

async function readFallback(
  store: ManifestStore,
  subject: Digest,
  call: Call | undefined,
): Promise<ImageIndex> {
  const manifest = await store.read(fallbackTag(subject), call);
  return manifest === undefined ? emptyIndex : decodeImageIndex(manifest);
}

interface Referring {
  readonly store: ManifestStore;
  readonly subject: Descriptor;
  readonly entry: Descriptor;
}

/** Adds a manifest to the list that clients keep for registries without the API. */
export async function addReferrer(
  { store, subject, entry }: Referring,
  call: Call | undefined,
): Promise<void> {
  await changeFallback(store, subject.digest, call, (entries) =>
    entries.some(({ digest }) => digest === entry.digest) ? entries : [...entries, entry],
  );
}

export async function removeReferrer(
  { store, subject, entry }: Referring,
  call: Call | undefined,
): Promise<void> {
  await changeFallback(store, subject.digest, call, (entries) =>
    entries.filter(({ digest }) => digest !== entry.digest),
  );
}

/** Writes of a list before it is given up: others write it as often. */
const mostWrites = 10;

/** Looks that must find a change, after which no other writer is expected to have read the list before it. */
const looks = 2;

/** Milliseconds before each look, and up to twice as many: far longer than others take from reading to writing. */
const rest = 50;

/**
 * Changes the list, which has no lock: whoever read it before our write writes it without our change. So it is read
 * again after each write, and changed again where the change is lost.
 * @throws Failure `registry.referrers-contended`
 */
async function changeFallback(
  store: ManifestStore,
  subject: Digest,
  call: Call | undefined,
  change: (entries: readonly Descriptor[]) => readonly Descriptor[],
): Promise<void> {
  const tag = fallbackTag(subject);
  for (let writes = 0, seen = 0; seen < looks; ) {
    if (writes > 0) await sleep(rest * (1 + Math.random()));
    checkInterrupted(call);
    const index = await readFallback(store, subject, call);
    const manifests = change(index.manifests);
    const isDone = manifests.length === index.manifests.length;
    if (isDone && writes === 0) return;
    seen = isDone ? seen + 1 : 0;
    if (isDone) continue;
    if (writes === mostWrites)
      throw new Failure("conflict", `the list of what refers to ${subject} is overwritten by others`, {
        code: "registry.referrers-contended",
        subject: tag,
        hint: "Try again when nobody else pushes signatures or attestations of it.",
      });
    await store.write(encodeManifest({ ...index, manifests }), { ...call, tag });
    writes += 1;
  }
}
