import type { Digest } from "../oci/digest.js";
import { RegistryError } from "./error.js";
import { emptyResponse, type Request, type Response } from "./http.js";
import { rangeOf } from "./ranges.js";
import type { RepositoryStorage } from "./storage.js";

/** GET and HEAD of a blob, whole or a range of it. */
export async function pullBlob(
  repository: RepositoryStorage,
  digest: Digest,
  request: Request,
): Promise<Response> {
  // Who asks whether it is there will not push it.
  const blob = await (request.method === "HEAD" ? repository.claim(digest) : repository.blob(digest));
  if (blob === undefined) throw unknown(repository, digest);
  const tag = `"${digest}"`;
  const headers = {
    "Content-Type": "application/octet-stream",
    "Docker-Content-Digest": digest,
    "Accept-Ranges": "bytes",
    ETag: tag,
  };
  if (request.headers["if-none-match"] === tag) return emptyResponse(304, headers);
  // If-Range asks for the rest of what it names; a digest names bytes for good, so only another one differs.
  const condition = request.headers["if-range"];
  const range =
    condition === undefined || condition === tag ? rangeOf(request.headers["range"], blob.size) : undefined;
  if (range === "unsatisfiable")
    throw new RegistryError("SIZE_INVALID", `${digest} has ${blob.size} bytes`, {
      status: 416,
      headers: { "Content-Range": `bytes */${blob.size}` },
    });
  const { start, end } = range ?? { start: 0, end: blob.size };
  return {
    status: range === undefined ? 200 : 206,
    headers: {
      ...headers,
      "Content-Length": String(end - start),
      ...(range === undefined ? {} : { "Content-Range": `bytes ${start}-${end - 1}/${blob.size}` }),
    },
    body: blob.read({ start, end }),
  };
}

export async function deleteBlob(repository: RepositoryStorage, digest: Digest): Promise<Response> {
  if ((await repository.manifest(digest)) !== undefined)
    throw new RegistryError("UNSUPPORTED", `${digest} is a manifest, to be deleted as one`);
  if (!(await repository.deleteBlob(digest))) throw unknown(repository, digest);
  return emptyResponse(202);
}

const unknown = ({ name }: RepositoryStorage, digest: Digest): RegistryError =>
  new RegistryError("BLOB_UNKNOWN", `${name} has no blob ${digest}`, { detail: { digest } });
