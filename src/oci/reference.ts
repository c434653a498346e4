import { Failure } from "../base/failure.js";
import { type Digest, isDigest } from "./digest.js";

/** A repository's path within its registry: `library/ubuntu` (distribution-spec 1.1, "Pulling manifests"). */
export type RepositoryName = string & { readonly __repositoryName: unique symbol };
export type Tag = string & { readonly __tag: unique symbol };

const nameComponent = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

export function isRepositoryName(text: string): text is RepositoryName {
  return text.length <= 255 && text.split("/").every((part) => nameComponent.test(part));
}

/** @throws Failure `oci.name-invalid` */
export function parseRepositoryName(text: string): RepositoryName {
  if (isRepositoryName(text)) return text;
  throw new Failure("usage", `"${text}" is not a repository name`, {
    code: "oci.name-invalid",
    subject: text,
    hint: "Names are lower case, with digits, and . _ - between them; parts are divided by /.",
  });
}

export const isTag = (text: string): text is Tag => tagPattern.test(text);

/** @throws Failure `oci.tag-invalid` */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text;
  throw new Failure("usage", `"${text}" is not a tag`, {
    code: "oci.tag-invalid",
    subject: text,
    hint: "A tag has up to 128 letters, digits, _ . - and does not start with . or -.",
  });
}

/** An image as people write it: `[domain/]name[:tag][@digest]`. */
export interface ImageReference {
  /** Host and port: `ghcr.io`, `localhost:5000`, `[::1]:5000`. Docker Hub is `docker.io`. */
  readonly domain: string;
  readonly name: RepositoryName;
  readonly tag: Tag | undefined;
  readonly digest: Digest | undefined;
}

/** A reference and how to talk to its registry. */
export interface RegistryUrl extends ImageReference {
  readonly scheme: "https" | "http";
}

const domainPattern =
  /^(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::([0-9]{1,5}))?$/;

/** Docker Hub under its other names; its API is at `registry-1.docker.io`, its logins at `index.docker.io`. */
const dockerHub: ReadonlySet<string> = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);

function invalid(text: string, why: string): Failure {
  // `user:password@host/name` is what people try; it must not come back in a message.
  const shown = text.replace(/^([a-z+]+:\/\/)?[^/@]*:[^/@]*@/, "$1");
  return new Failure("usage", `"${shown}" is not an image reference: ${why}`, {
    code: "oci.reference-invalid",
    subject: shown,
    hint: "Write [domain/]name[:tag][@digest], as in ghcr.io/org/cache:latest.",
  });
}

/**
 * Parses `[domain/]name[:tag][@digest]` as Docker and Spack do: without a domain it is Docker Hub's, a bare
 * name there is in `library/`, and upper case in names is lowered.
 * @throws Failure `oci.reference-invalid`
 */
export function parseImageReference(text: string): ImageReference {
  const [rest = "", digest, ...more] = text.split("@");
  if (more.length > 0 || (digest !== undefined && !isDigest(digest)))
    throw invalid(text, "what follows @ is no digest");
  const colon = rest.indexOf(":", rest.lastIndexOf("/") + 1);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (tag !== undefined && !isTag(tag)) throw invalid(text, `"${tag}" is not a tag`);
  const [domain, path] = splitDomain(colon < 0 ? rest : rest.slice(0, colon));
  const port = domainPattern.exec(domain);
  if (port === null || Number(port[1] ?? 0) > 65535) throw invalid(text, `"${domain}" is not a host`);
  const name = path.toLowerCase();
  if (!isRepositoryName(name)) throw invalid(text, `"${name}" is not a repository name`);
  return { domain, name, tag, digest };
}

/** The first component is a domain only where it cannot be a part of a name, or is `localhost`. */
function splitDomain(text: string): [domain: string, path: string] {
  const slash = text.indexOf("/");
  const first = text.slice(0, Math.max(slash, 0));
  const hasDomain = slash >= 0 && (/[.:A-Z]/.test(first) || first === "localhost");
  const domain = hasDomain ? first : "docker.io";
  const path = hasDomain ? text.slice(slash + 1) : text;
  if (!dockerHub.has(domain.toLowerCase())) return [domain, path];
  return ["docker.io", path.includes("/") ? path : `library/${path}`];
}

/**
 * Parses `oci://…` (https) and `oci+http://…` (http).
 * @throws Failure `oci.reference-invalid`
 */
export function parseRegistryUrl(text: string): RegistryUrl {
  const scheme = text.startsWith("oci://") ? "https" : text.startsWith("oci+http://") ? "http" : undefined;
  if (scheme === undefined) throw invalid(text, "a registry's URL starts with oci:// or oci+http://");
  return { scheme, ...parseImageReference(text.slice(text.indexOf("//") + 2)) };
}

/**
 * Parses what names a registry as a whole: a domain, or a URL of something in it (`oci://`, `oci+http://`, also
 * `https://` and `http://`). `scheme` is undefined where nothing says it.
 * @throws Failure `oci.reference-invalid`
 */
export function parseRegistry(text: string): { scheme: "https" | "http" | undefined; domain: string } {
  const [, prefix, domain = ""] = /^(?:([a-z+]+):\/\/)?([^/]*)/.exec(text) ?? [];
  if (!domainPattern.test(domain)) throw invalid(text, "it starts with no host");
  if (prefix !== undefined && !/^(oci|oci\+http|https?)$/.test(prefix))
    throw invalid(text, `${prefix} is no registry's`);
  const scheme = prefix === undefined ? undefined : prefix.endsWith("http") ? "http" : "https";
  return { scheme, domain: dockerHub.has(domain.toLowerCase()) ? "docker.io" : domain };
}

export const isRegistryUrl = (text: string): boolean => /^oci(\+http)?:\/\//.test(text);

/** `domain/name[:tag][@digest]`, which parses back to the same reference. */
export function formatImageReference({ domain, name, tag, digest }: ImageReference): string {
  return `${domain}/${name}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/** Where a registry's API is: `https://registry-1.docker.io` for Docker Hub. */
export function registryOrigin({ scheme, domain }: Pick<RegistryUrl, "scheme" | "domain">): string {
  return `${scheme}://${domain === "docker.io" ? "registry-1.docker.io" : domain}`;
}

/** Any text as a tag: what a tag cannot hold becomes `_`, and a long one keeps its two ends, as in Spack. */
export function tagOf(text: string): Tag {
  const tag = text.replace(/[^\w.-]/gu, "_").replace(/^[.-]/, "_");
  return parseTag(tag.length > 128 ? tag.slice(0, 64) + tag.slice(-64) : tag);
}
