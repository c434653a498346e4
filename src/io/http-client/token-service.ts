import type { Credential } from "../../oci/credential.js";
import { type Answer, answerFailure, jsonOf } from "./answer.js";

/** Where a registry's tokens come from, as its challenge named it. */
export interface TokenService {
  readonly realm: URL;
  readonly service: string | undefined;
}

export interface TokenRequest {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface Token {
  readonly value: string;
  /** Milliseconds. */
  readonly lifetime: number;
  /** What to ask with next time, where the service changes it. */
  readonly refreshToken: string | undefined;
}

/** What a token service takes a name and a password, or a refresh token, for. */
export type Grant =
  | { readonly grant_type: "refresh_token"; readonly refresh_token: string }
  | { readonly grant_type: "password"; readonly username: string; readonly password: string };

export const basicHeader = ({ username, password }: Credential & { type: "password" }): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;

/** A request for a token as distribution's token specification has it; without credential, an anonymous one. */
export function plainTokenRequest(
  { realm, service }: TokenService,
  scopes: readonly string[],
  credential: (Credential & { type: "password" }) | undefined,
): TokenRequest {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  const headers: Record<string, string> =
    credential === undefined ? {} : { authorization: basicHeader(credential) };
  return { method: "GET", url, headers, body: undefined };
}

/** A request for a token as distribution's OAuth2 specification has it. */
export function oauthTokenRequest(
  { realm, service }: TokenService,
  scopes: readonly string[],
  grant: Grant,
): TokenRequest {
  const form = new URLSearchParams({ ...grant, client_id: "stowage" });
  if (service !== undefined) form.set("service", service);
  if (scopes.length > 0) form.set("scope", scopes.join(" "));
  return {
    method: "POST",
    url: realm,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: form.toString(),
  };
}

/** Services that do not say how long a token lives mean a minute (token specification). */
const defaultLifetime = 60_000;

/** @throws RegistryFailure `registry.unexpected-answer` */
export function decodeToken(answer: Answer): Token {
  const json = jsonOf(answer);
  const fields = new Map<string, unknown>(
    typeof json === "object" && json !== null ? Object.entries(json) : [],
  );
  const text = (key: string): string | undefined => {
    const value = fields.get(key);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const value = text("token") ?? text("access_token");
  if (value === undefined || /[^\x21-\x7e]/.test(value))
    throw answerFailure("unsupported", answer, {
      code: "registry.unexpected-answer",
      why: "without a token that can be used",
    });
  const seconds = fields.get("expires_in");
  return {
    value,
    lifetime: typeof seconds === "number" && seconds > 0 ? seconds * 1000 : defaultLifetime,
    refreshToken: text("refresh_token"),
  };
}

/** Scopes as one list, each resource once with all its actions: `repository:a:pull,push`. */
export function mergeScopes(...lists: readonly (readonly string[])[]): readonly string[] {
  const actions = new Map<string, Set<string>>();
  for (const scope of lists.flat()) {
    const colon = scope.lastIndexOf(":");
    const [resource, listed] = [scope.slice(0, Math.max(colon, 0)), scope.slice(colon + 1)];
    const known = actions.get(resource) ?? new Set();
    for (const action of listed.split(",")) known.add(action);
    actions.set(resource, known);
  }
  return [...actions].map(([resource, names]) => `${resource}:${[...names].sort().join(",")}`).sort();
}
