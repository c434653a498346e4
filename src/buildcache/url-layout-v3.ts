import { textOf, utf8 } from "../base/bytes.js";
import { decodeObject, inside, integerAt, listAt, type Place, refuse, stringAt } from "../base/decode.js";
import type { Descriptor } from "../oci/descriptor.js";
import { algorithmOf, type Digest, hexOf, isDigest } from "../oci/digest.js";
import { type DagHash, isDagHash } from "../spec/dag-hash.js";
import { fileNameOf } from "./file-name.js";
import type { EntryRequest } from "./source.js";

// Layout 3 of a mirror that is no registry (Spack 1.0 and later): small manifests under names, that name blobs by
// their checksums.

export const layoutPath = "v3/layout.json";

/** Spack writes so to unsigned mirrors, too. */
export const layoutDocument = '{"signing": "gpg"}';

export const manifestFolder = "v3/manifests/";
export const specManifestFolder = `${manifestFolder}spec/`;

export const specManifestPath = ({ name, version, hash }: Required<EntryRequest>): string =>
  `${specManifestFolder}${name}/${fileNameOf(`${name}-${version}-${hash}`)}.spec.manifest.json`;

/** The hash that the name of a package's manifest ends in; undefined for other files. */
export function hashOfSpecManifest(path: string): DagHash | undefined {
  const hash = /-([a-z2-7]{32})\.spec\.manifest\.json$/.exec(path)?.[1];
  return hash !== undefined && isDagHash(hash) ? hash : undefined;
}

export const indexManifestPath = (view: string | undefined): string =>
  `v3/manifests/index/${view === undefined || view === "" ? "" : `${view}/`}index.manifest.json`;

/** The view whose index a manifest is; undefined for that of all packages, and for other files. */
export const viewOfIndexManifest = (path: string): string | undefined =>
  /^v3\/manifests\/index\/(.+)\/index\.manifest\.json$/.exec(path)?.[1];

export const blobFolder = "blobs/";

export const blobPath = (digest: Digest): string =>
  `${blobFolder}${algorithmOf(digest)}/${hexOf(digest).slice(0, 2)}/${hexOf(digest)}`;

/** What a manifest says of a blob: its descriptor has the media type that Spack gave it. */
export interface StoredBlob {
  readonly descriptor: Descriptor;
  readonly compression: "gzip" | "none";
}

export const mediaTypesV3 = {
  tarball: "application/vnd.spack.install.v2.tar+gzip",
  spec: "application/vnd.spack.spec.v5+json",
  index: "application/vnd.spack.db.v8+json",
};

/** The same, of whatever version. */
export const kindsV3 = {
  tarball: /^application\/vnd\.spack\.install\.v\d+\.tar\+gzip$/,
  spec: /^application\/vnd\.spack\.spec\.v\d+\+json$/,
  index: /^application\/vnd\.spack\.db\.v\d+\+json$/,
};

/** The bytes of a manifest, as Python's `json.dump(indent=0, separators=(",", ":"))` writes them. */
export function encodeUrlManifest(blobs: readonly StoredBlob[]): Uint8Array {
  const data = blobs.map(({ descriptor: { mediaType, digest, size }, compression }) => ({
    contentLength: size,
    mediaType,
    compression,
    checksumAlgorithm: algorithmOf(digest),
    checksum: hexOf(digest),
  }));
  // JSON.stringify cannot break lines without a blank after each colon.
  const text = JSON.stringify({ version: 3, data }, undefined, 1);
  return utf8(text.replaceAll(/^ +/gm, "").replaceAll(/^("\w+"): /gm, "$1:"));
}

/** @throws Failure `buildcache.manifest-invalid` */
export function decodeUrlManifest(bytes: Uint8Array, subject: string): readonly StoredBlob[] {
  const place: Place = {
    subject,
    code: "buildcache.manifest-invalid",
    path: "",
    hint: "Push what it names again with --force, or delete it.",
  };
  const document = decodeObject(parsed(bytes, place), place);
  const version = integerAt(document, "version", place);
  if (version !== 3) throw refuse(inside(place, "version"), `is ${version}, not 3`);
  const list = inside(place, "data");
  return listAt(document, "data", place).map((item, index) => {
    const at = inside(list, index);
    const blob = decodeObject(item, at);
    const size = integerAt(blob, "contentLength", at);
    const digest = `${stringAt(blob, "checksumAlgorithm", at)}:${stringAt(blob, "checksum", at)}`;
    const compression = stringAt(blob, "compression", at);
    if (size < 0) throw refuse(inside(at, "contentLength"), "is negative");
    if (!isDigest(digest)) throw refuse(inside(at, "checksum"), `is no checksum that can be read: ${digest}`);
    if (compression !== "gzip" && compression !== "none")
      throw refuse(inside(at, "compression"), `is "${compression}", which cannot be read`);
    return { descriptor: { mediaType: stringAt(blob, "mediaType", at), digest, size }, compression };
  });
}

function parsed(bytes: Uint8Array, place: Place): unknown {
  try {
    return JSON.parse(textOf(bytes) ?? "");
  } catch (cause) {
    throw refuse(place, "is not JSON", cause);
  }
}

/** @throws Failure `buildcache.manifest-invalid` where the manifest names no such blob */
export function blobOf(
  blobs: readonly StoredBlob[],
  kind: keyof typeof kindsV3,
  subject: string,
): StoredBlob {
  const found = blobs.find(({ descriptor }) => kindsV3[kind].test(descriptor.mediaType));
  if (found !== undefined) return found;
  throw refuse(
    {
      subject,
      code: "buildcache.manifest-invalid",
      path: "data",
      hint: "Push the package again with --force.",
    },
    `names no ${kind}`,
  );
}
