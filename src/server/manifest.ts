import { textOf } from "../base/bytes.js";
import { isObject, type JsonObject } from "../base/decode.js";
import { type Digest, isDigest } from "../oci/digest.js";
import { isImageIndex, isNondistributable, mediaTypes } from "../oci/media-types.js";
import { RegistryError } from "./error.js";

/** What a registry has to understand of a manifest; the rest is the client's affair. */
export interface ManifestFacts {
  readonly subject: Digest | undefined;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
  /** Blobs that have to be here: config and layers, without those that may not be distributed. */
  readonly blobs: readonly Digest[];
  /** Manifests that an index lists. They may be elsewhere: an index of one platform's image is legal. */
  readonly manifests: readonly Digest[];
}

const invalid = (message: string): RegistryError => new RegistryError("MANIFEST_INVALID", message);

/** @throws RegistryError MANIFEST_INVALID */
export function readManifest(bytes: Uint8Array, mediaType: string): ManifestFacts {
  const text = textOf(bytes);
  if (text === undefined) throw invalid("the manifest is not UTF-8 text");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw invalid(`the manifest is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isObject(json)) throw invalid("the manifest is not a JSON object");
  const declared = json["mediaType"];
  if (declared !== undefined && declared !== mediaType)
    throw invalid(`the manifest's mediaType is ${String(declared)}, its Content-Type ${mediaType}`);
  // Where layers and manifests stand side by side, two readers see two images (CVE-2021-41190).
  if (Array.isArray(json["layers"]) && Array.isArray(json["manifests"]))
    throw invalid("the manifest has both layers and manifests");
  const config = json["config"] === undefined ? [] : [descriptorIn(json["config"], "config")];
  const layers = listIn(json, "layers");
  const subject = json["subject"] === undefined ? undefined : descriptorIn(json["subject"], "subject").digest;
  return {
    subject,
    artifactType:
      stringIn(json["artifactType"]) ?? (isImageIndex(mediaType) ? undefined : config[0]?.mediaType),
    annotations: annotationsIn(json["annotations"]),
    blobs: [...config, ...layers].filter(({ elsewhere }) => !elsewhere).map(({ digest }) => digest),
    manifests: listIn(json, "manifests").map(({ digest }) => digest),
  };
}

/** The type of a manifest that came without a Content-Type: what it says of itself. */
export function declaredMediaType(bytes: Uint8Array): string {
  try {
    const json: unknown = JSON.parse(textOf(bytes) ?? "");
    if (isObject(json)) return stringIn(json["mediaType"]) ?? mediaTypes.ociManifest;
  } catch {
    // Not JSON: readManifest says so.
  }
  return mediaTypes.ociManifest;
}

interface Reference {
  readonly digest: Digest;
  readonly mediaType: string | undefined;
  readonly elsewhere: boolean;
}

function descriptorIn(value: unknown, where: string): Reference {
  if (!isObject(value)) throw invalid(`the manifest's ${where} is not a descriptor`);
  const digest = value["digest"];
  if (typeof digest !== "string" || !isDigest(digest))
    throw invalid(`the manifest's ${where} has no sha256 or sha512 digest`);
  const mediaType = stringIn(value["mediaType"]);
  return {
    digest,
    mediaType,
    elsewhere: Array.isArray(value["urls"]) || isNondistributable(mediaType ?? ""),
  };
}

function listIn(json: JsonObject, field: string): readonly Reference[] {
  const list = json[field];
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw invalid(`the manifest's ${field} is not a list`);
  return list.map((item: unknown, index) => descriptorIn(item, `${field}[${index}]`));
}

const stringIn = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

function annotationsIn(value: unknown): Readonly<Record<string, string>> | undefined {
  if (!isObject(value)) return undefined;
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
