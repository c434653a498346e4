import { readAll } from "../base/bytes.js";
import { Failure } from "../base/failure.js";
import { algorithmOf, digestOf, isDigest } from "../oci/digest.js";
import { isTag, type Tag } from "../oci/reference.js";
import { RegistryError } from "./error.js";
import { emptyResponse, type Request, type Response } from "./http.js";
import { declaredMediaType, readManifest } from "./manifest.js";
import { digestIn } from "./route.js";
import type { RepositoryStorage } from "./storage.js";

/** GET and HEAD of a manifest by tag or digest. */
export async function pullManifest(
  repository: RepositoryStorage,
  reference: string,
  request: Request,
): Promise<Response> {
  const manifest = isTag(reference) || isDigest(reference) ? await repository.manifest(reference) : undefined;
  if (manifest === undefined) throw unknown(repository, reference);
  const headers = {
    "Content-Type": manifest.mediaType,
    "Docker-Content-Digest": manifest.digest,
    ETag: `"${manifest.digest}"`,
  };
  if (request.headers["if-none-match"] === headers.ETag) return emptyResponse(304, headers);
  return {
    status: 200,
    headers: { ...headers, "Content-Length": String(manifest.bytes.byteLength) },
    body: manifest.bytes,
  };
}

/** Most tags that one request may set (distribution-spec 1.1 wants ten at least). */
const tagsPerRequest = 100;

/** PUT of a manifest (distribution-spec 1.1, "Pushing Manifests"). */
export async function pushManifest(
  repository: RepositoryStorage,
  reference: string,
  { request, limit }: { request: Request; limit: number },
): Promise<Response> {
  const tags = [...(reference.includes(":") ? [] : [reference]), ...request.query.getAll("tag")].map(tagIn);
  if (tags.length > tagsPerRequest)
    throw new RegistryError("MANIFEST_INVALID", `more than ${tagsPerRequest} tags`, { status: 414 });
  const wanted = reference.includes(":") ? digestIn(reference) : undefined;
  const bytes = await body(request, limit);
  const digest = digestOf(bytes, wanted === undefined ? "sha256" : algorithmOf(wanted));
  if (wanted !== undefined && wanted !== digest)
    throw new RegistryError("DIGEST_INVALID", `the manifest received has the digest ${digest}`, {
      detail: { digest: wanted },
    });
  const mediaType = request.headers["content-type"]?.split(";")[0]?.trim() || declaredMediaType(bytes);
  const { blobs, subject } = readManifest(bytes, mediaType);
  for (const blob of blobs)
    if ((await repository.claim(blob)) === undefined)
      throw new RegistryError("MANIFEST_BLOB_UNKNOWN", `${repository.name} has no blob ${blob}`, {
        detail: { digest: blob },
      });
  await repository.putManifest({ mediaType, digest, bytes }, { tags, subject });
  return emptyResponse(201, {
    Location: `/v2/${repository.name}/manifests/${digest}`,
    "Docker-Content-Digest": digest,
    ...(subject === undefined ? {} : { "OCI-Subject": subject }),
    ...(request.query.has("tag") ? { "OCI-Tag": tags.join(", ") } : {}),
  });
}

/** DELETE of a tag, or of a manifest with all its tags. */
export async function deleteManifest(repository: RepositoryStorage, reference: string): Promise<Response> {
  const done = isDigest(reference)
    ? await repository.deleteManifest(reference)
    : isTag(reference) && (await repository.deleteTag(reference));
  if (!done) throw unknown(repository, reference);
  return emptyResponse(202);
}

function tagIn(text: string): Tag {
  if (isTag(text)) return text;
  throw new RegistryError("MANIFEST_INVALID", `"${text}" is neither a tag nor a digest`);
}

async function body(request: Request, limit: number): Promise<Uint8Array> {
  const tooLarge = new RegistryError("SIZE_INVALID", `a manifest may have ${limit} bytes here`, {
    status: 413,
  });
  if (Number(request.headers["content-length"] ?? 0) > limit) throw tooLarge;
  try {
    return await readAll(request.body, { limit, subject: "the manifest" });
  } catch (error) {
    if (error instanceof Failure && error.code === "bytes.too-large") throw tooLarge;
    throw error;
  }
}

const unknown = (repository: RepositoryStorage, reference: string): RegistryError =>
  new RegistryError("MANIFEST_UNKNOWN", `${repository.name} has no manifest ${reference}`, {
    detail: { reference },
  });
