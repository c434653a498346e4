import type { Digest } from "../oci/digest.js";
import { mediaTypes } from "../oci/media-types.js";
import { RegistryError } from "./error.js";
import { jsonResponse, linkToNext, type Request, type Response } from "./http.js";
import { readManifest } from "./manifest.js";
import type { RepositoryStorage, Storage } from "./storage.js";

/** Most names on one page: about 1 MB of JSON for the longest tags, which clients' limits admit. */
const pageSize = 10_000;

/** GET of the tags, a page of them (distribution-spec 1.1, "Listing Tags"). */
export async function listTags(repository: RepositoryStorage, request: Request): Promise<Response> {
  if (!(await repository.exists()))
    throw new RegistryError("NAME_UNKNOWN", `there is no repository ${repository.name}`);
  const { page, headers } = pageOf(await repository.tags(), request);
  return jsonResponse({ name: repository.name, tags: page }, { headers });
}

/** GET of the repositories: no part of the spec, but tools expect it from a registry of one's own. */
export async function listRepositories(storage: Storage, request: Request): Promise<Response> {
  const { page, headers } = pageOf(await storage.repositories(), request);
  return jsonResponse({ repositories: page }, { headers });
}

function pageOf<T extends string>(
  sorted: readonly T[],
  { path, query }: Request,
): { page: readonly T[]; headers: Record<string, string> } {
  const n = query.get("n") ?? String(pageSize);
  if (!/^\d+$/.test(n)) throw new RegistryError("UNSUPPORTED", `n=${n} is not a number`, { status: 400 });
  const count = Math.min(Number(n), pageSize);
  const start = firstAfter(sorted, query.get("last") ?? "");
  const page = sorted.slice(start, start + count);
  const last = page.at(-1);
  const isMore = last !== undefined && start + count < sorted.length;
  return { page, headers: isMore ? linkToNext(path, { n, last }) : {} };
}

/** Index of the first element greater than `last`; `last` itself need not be there any more. */
function firstAfter(sorted: readonly string[], last: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? "") <= last) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A page of referrers ends past this size: clients read up to 4 MiB of metadata, and one more fits. */
const referrersBytes = 2 * 1024 * 1024;

/** GET of the manifests whose subject is `digest` (distribution-spec 1.1, "Listing Referrers"). */
export async function listReferrers(
  repository: RepositoryStorage,
  digest: Digest,
  request: Request,
): Promise<Response> {
  const filter = request.query.get("artifactType") ?? undefined;
  const all = await repository.referrers(digest);
  const manifests: unknown[] = [];
  let headers = {};
  let size = 0;
  for (const referrer of all.slice(firstAfter(all, request.query.get("last") ?? ""))) {
    const manifest = await repository.manifest(referrer);
    // Deleted since the list was taken.
    if (manifest === undefined) continue;
    const { artifactType, annotations } = readManifest(manifest.bytes, manifest.mediaType);
    if (filter !== undefined && artifactType !== filter) continue;
    const { mediaType, bytes } = manifest;
    manifests.push({ mediaType, digest: referrer, size: bytes.byteLength, artifactType, annotations });
    size += bytes.byteLength;
    if (size > referrersBytes && referrer !== all.at(-1)) {
      headers = linkToNext(request.path, {
        ...(filter === undefined ? {} : { artifactType: filter }),
        last: referrer,
      });
      break;
    }
  }
  return jsonResponse(
    { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests },
    {
      headers: {
        "Content-Type": mediaTypes.ociIndex,
        ...(filter === undefined ? {} : { "OCI-Filters-Applied": "artifactType" }),
        ...headers,
      },
    },
  );
}
