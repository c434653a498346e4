import { resolve } from "node:path";
import { Failure } from "../base/failure.js";
import { redactUrl } from "../base/redact.js";
import type { BuildCache } from "../buildcache/build-cache.js";
import type { OpenDocument } from "../buildcache/signed-document.js";
import { ociCache } from "../buildcache/oci-cache.js";
import { type UrlCache, urlCache } from "../buildcache/url-cache.js";
import { openUrlCaches } from "../buildcache/url-caches.js";
import { connectionOf, type Direction, isRegistryUrl, loginOf, type Mirror } from "../config/mirror.js";
import type { GivenCredential } from "../io/credentials/credentials.js";
import { openLayout } from "../io/registry/layout.js";
import { openRemoteRepository } from "../io/registry/remote.js";
import {
  type ImageReference,
  parseImageReference,
  parseRegistry,
  parseRegistryUrl,
  parseTag,
} from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { openConnection } from "./connection.js";
import type { Context } from "./context.js";
import { openObjectStore } from "./object-stores.js";

/** An image, and where it is. */
export interface LocatedImage {
  readonly repository: Repository;
  readonly reference: ImageReference;
}

/** Where packages are pushed to: images in a repository, or files in a tree. */
export type Destination =
  | { readonly type: "images"; readonly cache: BuildCache; readonly repository: Repository }
  | { readonly type: "files"; readonly cache: UrlCache };

/** The registries and other mirrors that one operation talks to, over shared connections. */
export interface Registries extends AsyncDisposable {
  /**
   * The repository of a mirror that is a registry, or a layout on disk: others hold no images.
   * @throws Failure `mirror.kind-unsupported`, `mirror.one-way`
   */
  repository(mirror: Mirror, direction: Direction): Promise<Repository>;
  /**
   * What the packages of a mirror are read from: one build cache for each layout that it has.
   * @throws Failure `mirror.kind-unsupported`, `mirror.one-way`, `mirror.missing`
   */
  caches(
    mirror: Mirror,
    options?: { readonly open?: OpenDocument | undefined },
  ): Promise<readonly BuildCache[]>;
  /**
   * What packages are pushed to.
   * @throws Failure `mirror.kind-unsupported`, `mirror.one-way`
   */
  destination(mirror: Mirror): Promise<Destination>;
  /**
   * An image by what people write: `debian:12`, `oci://…`, `oci+http://…`, or `oci:DIR[:TAG]` for a layout on disk.
   * @throws Failure `oci.reference-invalid`
   */
  image(text: string): Promise<LocatedImage>;
}

export function openRegistries(context: Context): Registries {
  // A mirror's own login is for its repository; all else is what docker and podman know.
  const logins: GivenCredential[] = context.logins.map(({ registry, ...login }) => ({
    domain: parseRegistry(registry).domain,
    credential: { type: "password", ...login, source: "the login given" },
  }));
  const client = openConnection(context, logins);

  async function openRepository(mirror: Mirror, direction: Direction): Promise<Repository | undefined> {
    const { url } = connectionOf(mirror, direction);
    if (isRegistryUrl(url)) {
      const where = parseRegistryUrl(url);
      const login = loginOf(mirror, direction, context.env);
      if (login !== undefined)
        logins.push({
          ...where,
          credential: {
            type: "password",
            username: login.user,
            password: login.password,
            source: `mirror ${mirror.name}`,
          },
        });
      return openRemoteRepository(where, client);
    }
    const layout = /^oci-layout:(?:\/\/)?(.+)$/.exec(url)?.[1];
    if (layout === undefined) return undefined;
    return openLayout(resolve(context.cwd, layout), { create: direction === "push" });
  }

  return {
    async repository(mirror, direction) {
      const repository = await openRepository(mirror, direction);
      if (repository !== undefined) return repository;
      const { url } = connectionOf(mirror, direction);
      throw new Failure(
        "unsupported",
        `mirror ${mirror.name} is at ${redactUrl(url)}, which holds no images`,
        {
          code: "mirror.kind-unsupported",
          subject: redactUrl(url),
          hint: "Images are in registries (oci://… and oci+http://…) and in OCI layouts on disk (oci-layout:DIR).",
        },
      );
    },
    async caches(mirror, { open } = {}) {
      const repository = await openRepository(mirror, "fetch");
      if (repository !== undefined) return [ociCache(repository)];
      const store = await openObjectStore(mirror, { direction: "fetch", context, client, logins });
      return await openUrlCaches(store, { open, view: connectionOf(mirror, "fetch").view });
    },
    async destination(mirror) {
      const repository = await openRepository(mirror, "push");
      if (repository !== undefined) return { type: "images", cache: ociCache(repository), repository };
      const store = await openObjectStore(mirror, { direction: "push", context, client, logins });
      return { type: "files", cache: urlCache(store, { view: connectionOf(mirror, "push").view }) };
    },
    async image(text) {
      const layout = /^oci:(?!\/\/)(.+?)(?::([^/:]+))?$/.exec(text);
      if (layout?.[1] !== undefined) {
        const repository = await openLayout(resolve(context.cwd, layout[1]));
        const tag = parseTag(layout[2] ?? "latest");
        return { repository, reference: { domain: "", name: repository.name, tag, digest: undefined } };
      }
      const where = /^oci(\+http)?:\/\//.test(text)
        ? parseRegistryUrl(text)
        : { scheme: "https" as const, ...parseImageReference(text.replace(/^docker:\/\//, "")) };
      return { repository: openRemoteRepository(where, client), reference: where };
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}
