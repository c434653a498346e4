import type { Request } from "../../src/server/http.js";

/** How many requests of each kind: `{ "GET tags": 1, "HEAD manifest": 3 }`. */
export function countKinds(requests: readonly Request[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { method, path } of requests) {
    const kind = `${method} ${objectOf(path)}`;
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** What an endpoint is of (distribution-spec 1.1, "Endpoints"). */
function objectOf(path: string): string {
  if (path === "/v2/") return "registry";
  if (path.includes("/tags/list")) return "tags";
  if (path.includes("/blobs/uploads")) return "upload";
  if (path.includes("/blobs/")) return "blob";
  if (path.includes("/manifests/index.spack")) return "index";
  if (path.includes("/manifests/")) return "manifest";
  throw new Error(`a request for ${path}`);
}
