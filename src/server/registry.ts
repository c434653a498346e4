import { type Access, type Action, type Need, openAccess } from "./access.js";
import { deleteBlob, pullBlob } from "./blobs.js";
import { listReferrers, listRepositories, listTags } from "./discovery.js";
import { RegistryError } from "./error.js";
import { emptyResponse, type Handler, jsonResponse, type Request, type Response } from "./http.js";
import { deleteManifest, pullManifest, pushManifest } from "./manifests.js";
import { type Route, routeOf } from "./route.js";
import type { Storage } from "./storage.js";
import { createUploadRoutes, mountSource } from "./uploads.js";

export interface RegistryOptions {
  readonly storage: Storage;
  /** Without it, everybody may do everything. */
  readonly access?: Access | undefined;
  readonly readOnly?: boolean | undefined;
  /** Most bytes of a manifest; distribution-spec 1.1 asks for 4 MB at least. */
  readonly manifestBytes?: number | undefined;
  /** Most bytes of a blob. */
  readonly blobBytes?: number | undefined;
  /** Told of what no client is to blame for. */
  readonly onError?: ((error: unknown, request: Request) => void) | undefined;
}

/** An OCI registry (distribution-spec 1.1) as a function: every request has a response. */
export function createRegistry({
  storage,
  access = openAccess,
  readOnly = false,
  manifestBytes = 4 * 1024 * 1024,
  blobBytes = Number.MAX_SAFE_INTEGER,
  onError = () => {},
}: RegistryOptions): Handler {
  const uploads = createUploadRoutes({ blobBytes });

  async function answer(route: Route, request: Request): Promise<Response> {
    const { method } = request;
    if (route.type === "base") return jsonResponse({});
    if (route.type === "catalog") return listRepositories(storage, request);
    const repository = storage.repository(route.name);
    const isRead = method === "GET" || method === "HEAD";
    switch (route.type) {
      case "blob":
        if (isRead) return pullBlob(repository, route.digest, request);
        if (method === "DELETE") return deleteBlob(repository, route.digest);
        break;
      case "uploads":
        if (method === "POST") return uploads.start(repository, request);
        break;
      case "upload":
        return uploads.proceed(repository, route.id, request);
      case "manifest":
        if (isRead) return pullManifest(repository, route.reference, request);
        if (method === "PUT")
          return pushManifest(repository, route.reference, { request, limit: manifestBytes });
        if (method === "DELETE") return deleteManifest(repository, route.reference);
        break;
      case "tags":
        if (isRead) return listTags(repository, request);
        break;
      case "referrers":
        if (isRead) return listReferrers(repository, route.digest, request);
        break;
    }
    throw new RegistryError("UNSUPPORTED", `${method} is not for ${request.path}`);
  }

  async function handle(request: Request): Promise<Response> {
    if (request.path === "/healthz") return emptyResponse(200);
    if (request.path === "/token" && access.token !== undefined) return access.token(request);
    const route = routeOf(request.path);
    if (route === undefined)
      throw new RegistryError("UNSUPPORTED", `there is nothing at ${request.path}`, { status: 404 });
    const action = actionOf(route, request.method);
    const { user } = await access.authorize(request, needsOf(route, action, request));
    if (readOnly && action !== "pull") throw new RegistryError("UNSUPPORTED", "this registry is read-only");
    return { ...(await answer(route, request)), user };
  }

  function refusalOf(error: unknown, request: Request): Response {
    if (error instanceof RegistryError) return error.toResponse();
    onError(error, request);
    return new RegistryError("UNKNOWN", "the registry could not do this; its log says why").toResponse();
  }

  return async (request) => {
    const { headers, body, ...response } = await handle(request).catch((error) => refusalOf(error, request));
    return {
      ...response,
      // Written by distribution, and by some clients taken for the sign of a registry.
      headers: { "Docker-Distribution-API-Version": "registry/2.0", ...headers },
      body: request.method === "HEAD" ? undefined : body,
    };
  };
}

/** An upload is pushing also where it is read or cancelled. */
function actionOf(route: Route, method: string): Action {
  if (route.type === "upload" || route.type === "uploads") return "push";
  if (method === "GET" || method === "HEAD") return "pull";
  return method === "DELETE" ? "delete" : "push";
}

/** Mounting a blob is a pull, too, where it comes from. */
function needsOf(route: Route, action: Action, request: Request): readonly Need[] {
  const from = route.type === "uploads" ? mountSource(request) : undefined;
  const need: Need = { name: "name" in route ? route.name : undefined, action };
  return from === undefined ? [need] : [need, { name: from, action: "pull" }];
}
