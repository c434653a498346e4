import { resolve } from "node:path";
import { Failure } from "../base/failure.js";
import { redactUrl } from "../base/redact.js";
import type { BuildCache } from "../buildcache/build-cache.js";
import type { ObjectStore } from "../buildcache/object-store.js";
import { ociCache } from "../buildcache/oci-cache.js";
import type { OpenDocument } from "../buildcache/signed-document.js";
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
import { type Signing, signingRepository } from "../trust/signing-repository.js";
import { openConnection } from "./connection.js";
import type { Context } from "./context.js";
import { openDocumentVerifier } from "./gpg.js";
import { openObjectStore } from "./object-stores.js";
import { openTrust } from "./trust.js";

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
   * The repository of a mirror that is a registry, or a layout on disk: others hold no images. Out of that of a
   * signed mirror comes nothing that does not verify, unless the user wants no signature checked, which is said.
   * @throws Failure `mirror.kind-unsupported`, `mirror.one-way`, `trust.policy-missing`
   */
  repository(mirror: Mirror, direction: Direction, options?: RepositoryOptions): Promise<Repository>;
  /**
   * What the packages of a mirror are read from: one build cache for each layout that it has. Out of a signed mirror
   * of files comes no package whose signature is not good.
   * @throws Failure `mirror.kind-unsupported`, `mirror.one-way`, `mirror.missing`
   */
  caches(mirror: Mirror): Promise<readonly BuildCache[]>;
  /** The repository that packages are fetched from, where the mirror is one. */
  imageSource(mirror: Mirror): Promise<Repository | undefined>;
  /**
   * What packages are pushed to.
   * @throws Failure `mirror.kind-unsupported`, `mirror.one-way`
   */
  destination(mirror: Mirror, options?: Pick<RepositoryOptions, "signing">): Promise<Destination>;
  /**
   * The files of a mirror that is no registry.
   * @throws Failure `mirror.one-way`, `mirror.kind-unsupported`, `mirror.missing`
   */
  files(mirror: Mirror, direction: Direction): Promise<ObjectStore>;
  /**
   * An image by what people write: `debian:12`, `oci://…`, `oci+http://…`, or `oci:DIR[:TAG]` for a layout on disk.
   * It verifies, where trust.yaml or policy.json have a policy for it.
   * @throws Failure `oci.reference-invalid`, `trust.rejected`
   */
  image(text: string, options?: { readonly checked?: boolean }): Promise<LocatedImage>;
}

export interface RepositoryOptions {
  /** `false`: as it is, for who looks into signatures, or into what is not signed. */
  readonly checked?: boolean | undefined;
  /** Signs what is written under a tag. */
  readonly signing?: Signing | undefined;
}

const layoutPattern = /^oci-layout:(?:\/\/)?(.+)$/;

/** Whether a mirror's packages are images, in a registry or a layout on disk, so that cosign's signatures fit. */
export function holdsImages({ fetch, push }: Mirror): boolean {
  const url = (fetch ?? push)?.url ?? "";
  return isRegistryUrl(url) || layoutPattern.test(url);
}

export function openRegistries(context: Context): Registries {
  // A mirror's own login is for its repository; all else is what docker and podman know.
  const logins: GivenCredential[] = context.logins.map(({ registry, ...login }) => ({
    domain: parseRegistry(registry).domain,
    credential: { type: "password", ...login, source: "the login given" },
  }));
  const client = openConnection(context, logins);

  const trust = openTrust(context);
  /** By their keyrings. */
  const verifiers = new Map<string | undefined, ReturnType<typeof openDocumentVerifier>>();
  async function openSigned(mirror: Mirror): Promise<OpenDocument> {
    const keyring = await trust.keyringOf(mirror);
    const verifier = verifiers.get(keyring) ?? openDocumentVerifier(context, keyring);
    verifiers.set(keyring, verifier);
    return async (document, { subject }) =>
      (await verifier.open(document, { subject, signal: context.signal })).text;
  }

  /** Whether signatures count; where they should and do not, that is said. */
  function checksSignatures(mirror: Mirror): boolean {
    if (!mirror.signed || context.checkSignature) return mirror.signed;
    unchecked(`what ${mirror.name} has should be signed`);
    return false;
  }

  const unchecked = (what: string): void =>
    context.report?.({ type: "note", level: "warning", message: `${what}: NO SIGNATURE IS CHECKED` });

  async function openRepository(
    mirror: Mirror,
    direction: Direction,
    { checked = true, signing }: RepositoryOptions = {},
  ): Promise<Repository | undefined> {
    const plain = await openPlain(mirror, direction);
    if (plain === undefined) return undefined;
    const repository = signing === undefined ? plain : signingRepository(plain, signing);
    if (!checked || !checksSignatures(mirror)) return repository;
    return trust.guardMirror(mirror, repository, { own: signing !== undefined });
  }

  async function openPlain(mirror: Mirror, direction: Direction): Promise<Repository | undefined> {
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
    const layout = layoutPattern.exec(url)?.[1];
    if (layout === undefined) return undefined;
    return openLayout(resolve(context.cwd, layout), { create: direction === "push" });
  }

  return {
    async repository(mirror, direction, options) {
      const repository = await openRepository(mirror, direction, options);
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
    imageSource: (mirror) => openRepository(mirror, "fetch"),
    async caches(mirror) {
      const repository = await openRepository(mirror, "fetch");
      if (repository !== undefined) return [ociCache(repository)];
      const store = await openObjectStore(mirror, { direction: "fetch", context, client, logins });
      const open = checksSignatures(mirror) ? await openSigned(mirror) : undefined;
      return await openUrlCaches(store, { open, view: connectionOf(mirror, "fetch").view });
    },
    async destination(mirror, options) {
      const repository = await openRepository(mirror, "push", options);
      if (repository !== undefined) return { type: "images", cache: ociCache(repository), repository };
      const store = await openObjectStore(mirror, { direction: "push", context, client, logins });
      // A view is a choice that somebody made: what is written is the index of all that is there.
      return { type: "files", cache: urlCache(store) };
    },
    async files(mirror, direction) {
      const { url } = connectionOf(mirror, direction);
      if (isRegistryUrl(url) || layoutPattern.test(url))
        throw new Failure(
          "unsupported",
          `mirror ${mirror.name} is at ${redactUrl(url)}, which has no views and publishes no keys`,
          {
            code: "mirror.kind-unsupported",
            subject: redactUrl(url),
            hint: "Mirrors of files have. Whom to trust for a registry is said in trust.yaml; `stowage key list` shows it.",
          },
        );
      return await openObjectStore(mirror, { direction, context, client, logins });
    },
    async image(text, options = {}) {
      const { checked = context.checkSignature } = options;
      if (!checked && options.checked === undefined) unchecked(text);
      const guard = async (repository: Repository): Promise<Repository> =>
        checked ? trust.guardImage(repository) : repository;
      const layout = /^oci:(?!\/\/)(.+?)(?::([^/:]+))?$/.exec(text);
      if (layout?.[1] !== undefined) {
        const repository = await openLayout(resolve(context.cwd, layout[1]));
        const tag = parseTag(layout[2] ?? "latest");
        return {
          repository: await guard(repository),
          reference: { domain: "", name: repository.name, tag, digest: undefined },
        };
      }
      const where = /^oci(\+http)?:\/\//.test(text)
        ? parseRegistryUrl(text)
        : { scheme: "https" as const, ...parseImageReference(text.replace(/^docker:\/\//, "")) };
      return { repository: await guard(openRemoteRepository(where, client)), reference: where };
    },
    async [Symbol.asyncDispose]() {
      for (const verifier of verifiers.values()) await verifier[Symbol.asyncDispose]();
      await client.close();
    },
  };
}
