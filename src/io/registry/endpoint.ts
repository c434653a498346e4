import { redactUrl } from "../../base/redact.js";
import type { OciErrorCode } from "../../oci/errors.js";
import { type RegistryUrl, type RepositoryName, registryOrigin } from "../../oci/reference.js";
import { type Answer, answerFailure, errorsOf, isWebPage, unexpected } from "../http-client/answer.js";
import type { Access } from "../http-client/authorizer.js";
import type { HttpClient } from "../http-client/http-client.js";
import { assertReachable, resolveLocation } from "../http-client/origin.js";

export type Action = "pull" | "push" | "delete";

/** One repository's place in a registry's API. */
export interface Endpoint {
  readonly client: HttpClient;
  /** `localhost:5000/cache` */
  readonly label: string;
  readonly origin: string;
  readonly name: RepositoryName;
  /** The URL of what is at `path` below the repository. */
  url(path: string, query?: Readonly<Record<string, string>>): URL;
  /** Leave to do something here, and to pull from another repository. */
  access(actions: readonly Action[], from?: RepositoryName): Access;
}

export function endpointOf(
  { scheme, domain, name }: Pick<RegistryUrl, "scheme" | "domain" | "name">,
  client: HttpClient,
): Endpoint {
  const { origin } = new URL(registryOrigin({ scheme, domain }));
  return {
    client,
    label: `${domain}/${name}`,
    origin,
    name,
    url(path, query = {}) {
      const url = new URL(`/v2/${name}/${path}`, origin);
      for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
      return url;
    },
    access: (actions, from) => ({
      origin,
      domain,
      name,
      scopes: [
        `repository:${name}:${[...actions].sort().join(",")}`,
        ...(from === undefined || from === name ? [] : [`repository:${from}:pull`]),
      ].sort(),
    }),
  };
}

/**
 * Whether an answer says that what was asked for is not there: a 404 by the registry itself, with a code that
 * fits or without any text. A web page, another kind of error or storage behind the registry say no such thing.
 */
export function saysAbsent(answer: Answer, { origin }: Endpoint, codes: readonly OciErrorCode[]): boolean {
  if (answer.status !== 404 || answer.url.origin !== origin || isWebPage(answer)) return false;
  const errors = errorsOf(answer);
  // NOT_FOUND is Harbor's, for all kinds.
  if (errors !== undefined && errors.length > 0)
    return errors.some(({ code }) => code === "NOT_FOUND" || codes.some((each) => each === code));
  return answer.bytes.byteLength === 0;
}

/** @throws RegistryFailure `registry.unexpected-answer` */
export function locationOf(answer: Answer): URL {
  const header = answer.header("location");
  const to = header === undefined ? undefined : resolveLocation(header, answer.url);
  if (to === undefined) throw unexpected(answer, "without a Location");
  assertReachable(to, { from: answer.url, method: answer.method });
  return to;
}

/**
 * Whether something was stored under its digest: 201, or another success that names it. Less could come from
 * anything that answers 200 to all.
 * @throws RegistryFailure `oci.digest-differs` where it was stored under another one
 */
export function isCommitted(answer: Answer, digest: string): boolean {
  const named = answer.header("docker-content-digest");
  if (answer.status < 200 || answer.status >= 300) return false;
  if (named !== undefined && named !== digest && named.split(":")[0] === digest.split(":")[0])
    throw answerFailure("corrupt", answer, {
      code: "oci.digest-differs",
      why: `and stored ${named} instead of ${digest}`,
    });
  return answer.status === 201 || named === digest;
}

/** How many pages a list may have: some registries give out a hundred entries at a time, hostile ones never stop. */
const maxPages = 1000;

/** Pages of a list, along their Link headers (RFC 8288). */
export async function* pagesOf(first: URL, ask: (url: URL) => Promise<Answer>): AsyncGenerator<Answer> {
  const seen = new Set<string>();
  for (let url: URL | undefined = first; url !== undefined; ) {
    const answer: Answer = await ask(url);
    yield answer;
    seen.add(url.href);
    const next = nextPage(answer);
    if (next !== undefined && (seen.has(next.href) || seen.size >= maxPages))
      throw answerFailure("corrupt", answer, {
        code: "registry.endless-list",
        why: seen.has(next.href)
          ? `and leads back to ${redactUrl(next.href)}`
          : `which is page ${maxPages} and not the last`,
      });
    url = next;
  }
}

/** @throws RegistryFailure `registry.link-refused` where it leads to another host */
function nextPage(answer: Answer): URL | undefined {
  const link = answer.header("link");
  if (link === undefined) return undefined;
  const target = [...link.matchAll(/<([^>]*)>((?:\s*;\s*[^;,]+)*)/g)].find(([, , parameters = ""]) =>
    /;\s*rel\s*=\s*"?([^";]*\s)?next(\s[^";]*)?"?/i.test(parameters),
  )?.[1];
  if (target === undefined) return undefined;
  const next = resolveLocation(target, answer.url);
  if (next?.origin === answer.url.origin) return next;
  throw answerFailure("denied", answer, {
    code: "registry.link-refused",
    why: `and continues at another host, ${redactUrl(target)}`,
  });
}
