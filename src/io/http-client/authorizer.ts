import type { Call } from "../../base/call.js";
import type { Clock } from "../../base/clock.js";
import type { Credential, CredentialStore } from "../../oci/credential.js";
import type { RegistryFailure } from "../../oci/errors.js";
import type { RepositoryName } from "../../oci/reference.js";
import { type Answer, answerFailure, unexpected } from "./answer.js";
import { type Challenge, parseChallenges } from "./challenge.js";
import { assertReachable, isLoopback } from "./origin.js";
import {
  basicHeader,
  decodeToken,
  mergeScopes,
  oauthTokenRequest,
  plainTokenRequest,
  type TokenRequest,
  type TokenService,
} from "./token-service.js";

/** On whose behalf, and for what, a request is made. */
export interface Access {
  /** The registry's own origin. Its credentials go there and to the token service it names, nowhere else. */
  readonly origin: string;
  /** What its credentials are filed under: `ghcr.io`, `docker.io`. */
  readonly domain: string;
  readonly name?: RepositoryName | undefined;
  /** `repository:org/cache:pull,push` (distribution's token specification). */
  readonly scopes: readonly string[];
}

/** How a registry wants to be logged in to. */
export type Scheme = { readonly type: "basic" } | ({ readonly type: "bearer" } & TokenService);

export interface Authorizer {
  /** The header to send along; undefined while the registry has not asked for one. */
  header(access: Access): Promise<string | undefined>;
  /**
   * What to send after a 401 instead of what was `used`.
   * @throws RegistryFailure `registry.login-required`, `registry.login-refused`, `registry.login-unsupported`
   */
  renew(access: Access, refused: { answer: Answer; used: string | undefined }): Promise<string>;
  /** The failure for an answer of 401 or 403, with what was tried. */
  denied(access: Access, answer: Answer): Promise<RegistryFailure>;
  /** How the registry asked for a login so far. */
  schemeOf(access: Access): Scheme | undefined;
}

export interface AuthorizerOptions {
  readonly credentials: CredentialStore;
  readonly clock: Clock;
  /** Secrets may go over http to hosts other than this one. */
  readonly insecure: boolean;
  /** Sends a request to a token service; follows no redirect, as it carries secrets. */
  readonly request: (request: TokenRequest, call?: Call) => Promise<Answer>;
}

interface Issued {
  readonly header: string;
  readonly expires: number;
}

/** A token is renewed this many ms early, or a tenth of its life: a request takes time to arrive. */
const renewedEarly = 10_000;

export function createAuthorizer({ credentials, clock, insecure, request }: AuthorizerOptions): Authorizer {
  const schemes = new Map<string, Scheme>();
  /** Scopes that a registry asked for, by those that we thought of. */
  const learned = new Map<string, readonly string[]>();
  const found = new Map<string, Promise<Credential | undefined>>();
  const issued = new Map<string, Promise<Issued>>();
  /** Refresh tokens that a service gave in place of the one before. */
  const refreshed = new Map<Credential, string>();

  const scopesKey = ({ origin, scopes }: Access): string => `${origin} ${scopes.join(" ")}`;

  /** The credential for a registry, where it may travel to that URL. */
  async function secretFor({ domain, name }: Access, to: URL): Promise<Credential | undefined> {
    if (!mayCarrySecrets(to)) return undefined;
    const credential = await once(found, `${domain}/${name ?? ""}`, () => credentials.find({ domain, name }));
    return credential?.httpsOnly === true && to.protocol !== "https:" ? undefined : credential;
  }
  const mayCarrySecrets = (to: URL): boolean => insecure || to.protocol === "https:" || isLoopback(to);

  /** A token's header. However many ask at once, and find the one before `refused` or old: one request is made. */
  async function bearerHeader(access: Access, service: TokenService, refused?: string): Promise<string> {
    const scopes = learned.get(scopesKey(access)) ?? access.scopes;
    const key = [access.origin, access.name, service.realm.href, service.service, ...scopes].join("\n");
    const known = issued.get(key);
    if (known !== undefined) {
      const { header, expires } = await known;
      if (header !== refused && expires > clock.now()) return header;
      if (issued.get(key) === known) issued.delete(key);
    }
    return (await once(issued, key, () => fetchToken(access, service, scopes))).header;
  }

  async function fetchToken(
    access: Access,
    service: TokenService,
    scopes: readonly string[],
  ): Promise<Issued> {
    const credential = await secretFor(access, service.realm);
    if (credential?.type === "access-token")
      return { header: `Bearer ${credential.token}`, expires: Number.POSITIVE_INFINITY };
    const answer = await askForToken(service, scopes, credential);
    if (answer.status === 401 || answer.status === 403) throw await denied(access, answer);
    if (answer.status !== 200) throw unexpected(answer);
    const token = decodeToken(answer);
    if (credential?.type === "identity-token" && token.refreshToken !== undefined)
      refreshed.set(credential, token.refreshToken);
    const early = Math.min(renewedEarly, token.lifetime / 10);
    return { header: `Bearer ${token.value}`, expires: clock.now() + token.lifetime - early };
  }

  async function askForToken(
    service: TokenService,
    scopes: readonly string[],
    credential: (Credential & { type: "password" | "identity-token" }) | undefined,
  ): Promise<Answer> {
    if (credential?.type === "identity-token") {
      const refresh_token = refreshed.get(credential) ?? credential.token;
      return request(oauthTokenRequest(service, scopes, { grant_type: "refresh_token", refresh_token }));
    }
    const answer = await request(plainTokenRequest(service, scopes, credential));
    if (credential === undefined || (answer.status !== 404 && answer.status !== 405)) return answer;
    // This one only knows the OAuth2 way.
    const { username, password } = credential;
    return request(oauthTokenRequest(service, scopes, { grant_type: "password", username, password }));
  }

  async function headerFor(access: Access, scheme: Scheme, refused?: string): Promise<string | undefined> {
    if (scheme.type === "bearer") return bearerHeader(access, scheme, refused);
    const credential = await secretFor(access, new URL(access.origin));
    return credential?.type === "password" ? basicHeader(credential) : undefined;
  }

  async function denied(access: Access, answer: Answer): Promise<RegistryFailure> {
    const credential = await secretFor(access, new URL(access.origin));
    const login = `stowage login ${access.domain}`;
    if (credential !== undefined)
      return answerFailure("denied", answer, {
        code: answer.status === 401 ? "registry.login-refused" : "registry.denied",
        why: `logged in with ${credential.source}`,
        hint: `Check what that login may do (\`stowage auth check\`), or log in anew: \`${login}\`.`,
      });
    const withheld = !mayCarrySecrets(new URL(access.origin));
    return answerFailure("denied", answer, {
      code: answer.status === 401 ? "registry.login-required" : "registry.denied",
      why: withheld ? "and credentials are not sent over http" : "without a login",
      hint: withheld ? "Use https, or allow it with --insecure." : `Log in: \`${login}\`.`,
    });
  }

  return {
    async header(access) {
      const scheme = schemes.get(access.origin);
      return scheme === undefined ? undefined : headerFor(access, scheme);
    },
    async renew(access, { answer, used }) {
      const challenges = parseChallenges(answer.header("www-authenticate") ?? "");
      if (challenges === undefined) throw await denied(access, answer);
      const scheme = chooseScheme(challenges, answer);
      schemes.set(access.origin, scheme);
      const asked = challenges.find((each) => each.scheme === "bearer")?.parameters.get("scope");
      if (scheme.type === "bearer" && asked !== undefined && asked !== "")
        learned.set(scopesKey(access), mergeScopes(access.scopes, asked.split(/\s+/)));
      const header = await headerFor(access, scheme, used);
      if (header === undefined || header === used) throw await denied(access, answer);
      return header;
    },
    denied,
    schemeOf: (access) => schemes.get(access.origin),
  };
}

/** Bearer where it is offered, as it says less about us on the way; else Basic. */
function chooseScheme(challenges: readonly Challenge[], answer: Answer): Scheme {
  const parameters = challenges.find(({ scheme }) => scheme === "bearer")?.parameters;
  const realm = parameters?.get("realm");
  if (realm !== undefined && URL.canParse(realm, answer.url.href)) {
    const url = new URL(realm, answer.url);
    assertReachable(url, { from: answer.url, method: answer.method });
    return { type: "bearer", realm: url, service: parameters?.get("service") };
  }
  if (challenges.some(({ scheme }) => scheme === "basic")) return { type: "basic" };
  throw answerFailure("unsupported", answer, {
    code: "registry.login-unsupported",
    why: `and asks for a login by ${challenges.map(({ scheme }) => scheme).join(", ")}`,
    hint: "stowage logs in by Basic and by Bearer with a realm.",
  });
}

/** The result of work that all who ask for it share; of a failure only those who waited for it hear. */
function once<T>(results: Map<string, Promise<T>>, key: string, work: () => Promise<T>): Promise<T> {
  const known = results.get(key);
  if (known !== undefined) return known;
  const result = work();
  results.set(key, result);
  result.catch(() => {
    if (results.get(key) === result) results.delete(key);
  });
  return result;
}
