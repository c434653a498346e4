import { utf8 } from "../base/bytes.js";
import type { Call } from "../base/call.js";
import { isObject } from "../base/decode.js";
import { Failure } from "../base/failure.js";
import { contentOf } from "../oci/content.js";
import { parseJson } from "../oci/json.js";
import { metadataLimit } from "./entry.js";
import type { ObjectStore } from "./object-store.js";
import { objectOf, readBlob, readSmall } from "./url-cache.js";
import { urlBlobs } from "./url-blobs.js";
import { decodeUrlManifest, encodeUrlManifest, layoutDocument, layoutPath } from "./url-layout-v3.js";

// The public keys that a mirror of files publishes. Nothing signs them: a mirror can publish any key, so they are
// offered, and it is for people to trust them.

const folder = "v3/manifests/key/";
const indexPath = `${folder}keys.manifest.json`;
const keyPath = (fingerprint: string): string => `${folder}${fingerprint}.key.manifest.json`;
const folderV2 = "build_cache/_pgp/";
const indexPathV2 = `${folderV2}index.json`;

const mediaTypes = { key: "application/pgp-keys", index: "application/vnd.spack.keyindex.v1+json" };

/** More keys than this are no mirror's. */
const mostKeys = 1000;

export interface PublishedKey {
  /** As the mirror has it; the key may be another. */
  readonly fingerprint: string;
  readonly bytes: Uint8Array;
  /** Where it is, for messages. */
  readonly subject: string;
}

/** The keys that the indices of a mirror name, of layouts 3 and 2. @throws Failure `buildcache.key-index-broken` */
export async function readPublishedKeys(
  store: ObjectStore,
  call: Call = {},
): Promise<readonly PublishedKey[]> {
  const found = new Map<string, PublishedKey>();
  const index = await readNamed(store, indexPath, call);
  for (const fingerprint of index === undefined ? [] : decodeKeyIndex(index, `${store.label}/${indexPath}`)) {
    const path = keyPath(fingerprint);
    found.set(fingerprint, publishedAt(path, fingerprint, await readNamed(store, path, call)));
  }
  const old = await readSmall(store, indexPathV2, call);
  for (const fingerprint of old === undefined ? [] : decodeKeyIndex(old, `${store.label}/${indexPathV2}`)) {
    const path = `${folderV2}${fingerprint}.pub`;
    if (!found.has(fingerprint))
      found.set(fingerprint, publishedAt(path, fingerprint, await readSmall(store, path, call)));
  }
  return [...found.values()];

  function publishedAt(path: string, fingerprint: string, bytes: Uint8Array | undefined): PublishedKey {
    const subject = `${store.label}/${path}`;
    if (bytes === undefined) throw broken(subject, "is named by the index of keys, and not there");
    return { fingerprint, bytes, subject };
  }
}

/** Publishes armored keys; with `updateIndex`, so that the index names all that are there. */
export async function publishKeys(
  store: ObjectStore,
  keys: ReadonlyMap<string, Uint8Array>,
  { updateIndex = false, ...call }: Call & { readonly updateIndex?: boolean | undefined } = {},
): Promise<void> {
  await store.write(layoutPath, objectOf(utf8(layoutDocument)), { ...call, replace: false });
  for (const [fingerprint, bytes] of keys) await writeNamed(keyPath(fingerprint), bytes, mediaTypes.key);
  if (!updateIndex) return;
  const fingerprints = new Set(keys.keys());
  if (store.list !== undefined)
    for await (const path of store.list(folder, call)) {
      const fingerprint = /([0-9A-F]{40,64})\.key\.manifest\.json$/.exec(path)?.[1];
      if (fingerprint !== undefined) fingerprints.add(fingerprint);
    }
  await writeNamed(indexPath, encodeKeyIndex([...fingerprints]), mediaTypes.index);

  async function writeNamed(path: string, bytes: Uint8Array, mediaType: string): Promise<void> {
    const content = contentOf(bytes, mediaType);
    await urlBlobs(store).write(content, call);
    const manifest = encodeUrlManifest([{ descriptor: content.descriptor, compression: "none" }]);
    await store.write(path, objectOf(manifest), call);
  }
}

export const encodeKeyIndex = (fingerprints: readonly string[]): Uint8Array =>
  utf8(JSON.stringify({ keys: Object.fromEntries([...fingerprints].sort().map((one) => [one, {}])) }));

/** Fingerprints in an index of keys: they become parts of paths, so nothing else is taken for one. */
export function decodeKeyIndex(bytes: Uint8Array, subject: string): readonly string[] {
  const json = parseJson(bytes, subject, metadataLimit);
  const keys = isObject(json) ? json["keys"] : undefined;
  if (!isObject(keys)) throw broken(subject, "is no index of keys");
  const fingerprints = Object.keys(keys);
  if (fingerprints.length > mostKeys) throw broken(subject, `names more than ${mostKeys} keys`);
  const odd = fingerprints.find((one) => !/^[0-9A-F]{16,64}$/.test(one));
  if (odd !== undefined) throw broken(subject, `names "${odd.slice(0, 80)}", which is no fingerprint`);
  return fingerprints;
}

/** What the one blob of a manifest holds; undefined where there is no such manifest. */
async function readNamed(store: ObjectStore, path: string, call: Call): Promise<Uint8Array | undefined> {
  const manifest = await readSmall(store, path, call);
  if (manifest === undefined) return undefined;
  const subject = `${store.label}/${path}`;
  const [blob] = decodeUrlManifest(manifest, subject);
  if (blob === undefined) throw broken(subject, "names no blob");
  return readBlob(urlBlobs(store), blob, { ...call, subject });
}

const broken = (subject: string, found: string): Failure =>
  new Failure("corrupt", `${subject} ${found}`, {
    code: "buildcache.key-index-broken",
    subject,
    hint: "`stowage gpg publish --update-index` writes the keys of a mirror anew.",
  });
