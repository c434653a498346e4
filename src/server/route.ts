import { type Digest, isDigest } from "../oci/digest.js";
import { isRepositoryName, type RepositoryName } from "../oci/reference.js";
import { RegistryError } from "./error.js";

/** What a path under /v2/ names (distribution-spec 1.1, "Endpoints"). */
export type Route =
  | { readonly type: "base" }
  | { readonly type: "catalog" }
  | { readonly type: "blob"; readonly name: RepositoryName; readonly digest: Digest }
  | { readonly type: "uploads"; readonly name: RepositoryName }
  | { readonly type: "upload"; readonly name: RepositoryName; readonly id: string }
  /** `reference` is not checked yet: what is no tag may be asked for, and is not there. */
  | { readonly type: "manifest"; readonly name: RepositoryName; readonly reference: string }
  | { readonly type: "tags"; readonly name: RepositoryName }
  | { readonly type: "referrers"; readonly name: RepositoryName; readonly digest: Digest };

/**
 * undefined where the path names nothing of this API.
 * @throws RegistryError NAME_INVALID, DIGEST_INVALID
 */
export function routeOf(path: string): Route | undefined {
  if (path === "/v2/" || path === "/v2") return { type: "base" };
  if (path === "/v2/_catalog") return { type: "catalog" };
  if (!path.startsWith("/v2/")) return undefined;
  // Repository names have slashes in them, so a path is read from its end.
  const parts = decoded(path).slice("/v2/".length).split("/");
  const last = parts.at(-1) ?? "";
  const noun = parts.at(-2);
  const name = (count: number): RepositoryName => nameOf(parts.slice(0, -count).join("/"));
  if (noun === "blobs" && last === "uploads") return { type: "uploads", name: name(2) };
  if (noun === "uploads" && parts.at(-3) === "blobs")
    return last === "" ? { type: "uploads", name: name(3) } : { type: "upload", name: name(3), id: last };
  if (noun === "blobs") return { type: "blob", name: name(2), digest: digestIn(last) };
  if (noun === "manifests") return { type: "manifest", name: name(2), reference: last };
  if (noun === "referrers") return { type: "referrers", name: name(2), digest: digestIn(last) };
  if (noun === "tags" && last === "list") return { type: "tags", name: name(2) };
  return undefined;
}

export function digestIn(text: string): Digest {
  if (isDigest(text)) return text;
  throw new RegistryError("DIGEST_INVALID", `"${text}" is not a sha256 or sha512 digest`);
}

export function nameOf(text: string): RepositoryName {
  if (isRepositoryName(text)) return text;
  throw new RegistryError("NAME_INVALID", `"${text}" is not a repository name`);
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    // decodeURIComponent has one way to fail: a malformed escape.
    throw new RegistryError("NAME_INVALID", `the path ${path} has a malformed escape`);
  }
}
