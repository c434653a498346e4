import type { Bytes } from "../base/bytes.js";
import type { Digest, DigestAlgorithm } from "../oci/digest.js";
import type { RepositoryName } from "../oci/reference.js";
import { RegistryError } from "./error.js";
import { emptyResponse, type Request, type Response } from "./http.js";
import { chunkRangeOf } from "./ranges.js";
import { digestIn, nameOf } from "./route.js";
import type { RepositoryStorage, Upload } from "./storage.js";

export interface UploadOptions {
  /** Most bytes a blob may have. */
  readonly blobBytes: number;
}

/** Pushing of blobs (distribution-spec 1.1, "Pushing blobs"). */
export interface UploadRoutes {
  /** POST: opens a session; with `mount` or `digest` does the whole push at once where that is possible. */
  start(repository: RepositoryStorage, request: Request): Promise<Response>;
  /** GET, PATCH, PUT and DELETE of a session. */
  proceed(repository: RepositoryStorage, id: string, request: Request): Promise<Response>;
}

/** The repository that a request wants to mount a blob from. @throws RegistryError NAME_INVALID */
export function mountSource({ query }: Request): RepositoryName | undefined {
  const from = query.get("from");
  return from === null || !query.has("mount") ? undefined : nameOf(from);
}

export function createUploadRoutes({ blobBytes }: UploadOptions): UploadRoutes {
  const turns = createTurns();

  return {
    async start(repository, request) {
      const { query } = request;
      const mount = query.get("mount");
      if (mount !== null) {
        const digest = digestIn(mount);
        if (await repository.mount(digest, mountSource(request))) return created(repository, digest);
      }
      const digest = query.get("digest");
      if (digest !== null) {
        const wanted = digestIn(digest);
        const upload = await repository.startUpload(algorithmIn(wanted.slice(0, wanted.indexOf(":"))));
        return finish(repository, upload, { digest: wanted, request, limit: blobBytes });
      }
      const upload = await repository.startUpload(algorithmIn(query.get("digest-algorithm") ?? "sha256"));
      return session(repository, upload, 202);
    },

    async proceed(repository, id, request) {
      const { method } = request;
      if (method === "GET" || method === "HEAD") return session(repository, await found(repository, id), 204);
      if (method === "PATCH")
        return turns(id, request, async () => {
          const upload = await found(repository, id);
          await checkPlace(repository, upload, request);
          await upload.append(bounded(request.body, blobBytes - (await upload.offset())));
          return session(repository, upload, 202);
        });
      if (method === "PUT") {
        const digest = digestIn(request.query.get("digest") ?? "");
        return turns(id, request, async () => {
          const upload = await found(repository, id);
          await checkPlace(repository, upload, request);
          return finish(repository, upload, { digest, request, limit: blobBytes });
        });
      }
      if (method === "DELETE")
        return turns(id, request, async () => {
          await (await found(repository, id)).cancel();
          return emptyResponse(204);
        });
      throw new RegistryError("UNSUPPORTED", `${method} is not for uploads`);
    },
  };
}

/** @throws RegistryError BLOB_UPLOAD_UNKNOWN */
async function found(repository: RepositoryStorage, id: string): Promise<Upload> {
  const upload = await repository.upload(id);
  if (upload !== undefined) return upload;
  throw new RegistryError("BLOB_UPLOAD_UNKNOWN", `${repository.name} has no upload ${id}`);
}

function algorithmIn(text: string): DigestAlgorithm {
  if (text === "sha256" || text === "sha512") return text;
  throw new RegistryError("DIGEST_INVALID", `digests here are sha256 or sha512, not ${text}`);
}

async function finish(
  repository: RepositoryStorage,
  upload: Upload,
  { digest, request, limit }: { digest: Digest; request: Request; limit: number },
): Promise<Response> {
  await upload.append(bounded(request.body, limit - (await upload.offset())));
  if (!(await upload.commit(digest)))
    throw new RegistryError("DIGEST_INVALID", `the bytes received do not have the digest ${digest}`, {
      detail: { digest },
    });
  return created(repository, digest);
}

const created = ({ name }: RepositoryStorage, digest: Digest): Response =>
  emptyResponse(201, { Location: `/v2/${name}/blobs/${digest}`, "Docker-Content-Digest": digest });

async function session({ name }: RepositoryStorage, upload: Upload, status: 202 | 204): Promise<Response> {
  const offset = await upload.offset();
  return emptyResponse(status, {
    Location: `/v2/${name}/blobs/uploads/${upload.id}`,
    // Inclusive at both ends, so that nothing received has no range of its own: it is 0-0, as everywhere.
    Range: `0-${Math.max(0, offset - 1)}`,
    "Docker-Upload-UUID": upload.id,
  });
}

/** @throws RegistryError with 416 where a chunk is not the next one */
async function checkPlace(repository: RepositoryStorage, upload: Upload, request: Request): Promise<void> {
  const header = request.headers["content-range"];
  if (header === undefined) return;
  const range = chunkRangeOf(header);
  const offset = await upload.offset();
  const length = request.headers["content-length"];
  if (range?.first === offset && (length === undefined || Number(length) === range.last - range.first + 1))
    return;
  const { headers } = await session(repository, upload, 202);
  throw new RegistryError(
    "BLOB_UPLOAD_INVALID",
    `the upload has ${offset} bytes; a chunk of range ${header} and length ${length ?? "unknown"} does not fit`,
    { status: 416, headers },
  );
}

async function* bounded(bytes: Bytes, limit: number): Bytes {
  let left = limit;
  for await (const chunk of bytes) {
    left -= chunk.byteLength;
    if (left < 0)
      throw new RegistryError("SIZE_INVALID", "the blob is larger than this registry takes", {
        status: 413,
      });
    yield chunk;
  }
}

/**
 * One request at a time for an upload, and the latest wins: a client that comes back after its connection was
 * lost should not wait until this end has noticed the loss, so the request before is ended first.
 */
function createTurns(): <T>(id: string, request: Request, work: () => Promise<T>) => Promise<T> {
  const latest = new Map<string, { readonly request: Request; readonly done: Promise<unknown> }>();
  return async (id, request, work) => {
    const before = latest.get(id);
    const run = async (): ReturnType<typeof work> => {
      before?.request.abort?.();
      // How the request before ended is its own affair, and was its own answer.
      await before?.done.catch(() => undefined);
      return work();
    };
    const turn = { request, done: run() };
    latest.set(id, turn);
    try {
      return await turn.done;
    } finally {
      if (latest.get(id) === turn) latest.delete(id);
    }
  };
}
