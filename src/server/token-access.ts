import { readAll, textOf } from "../base/bytes.js";
import { isRepositoryName } from "../oci/reference.js";
import type { Access, Need } from "./access.js";
import { basicCredentials, type Credentials, isOpen, unauthorized, userOf } from "./basic-access.js";
import { RegistryError } from "./error.js";
import type { Users } from "./htpasswd.js";
import { jsonResponse, type Request, type Response } from "./http.js";
import { createTokenSigner, type TokenAccess, type TokenSigner } from "./token.js";

export interface TokenAccessOptions {
  /** Without them, everybody gets tokens for everything. */
  readonly users?: Users | undefined;
  readonly anonymousPull?: boolean | undefined;
  readonly readOnly?: boolean | undefined;
  /** Secret that tokens are signed with, 32 bytes. */
  readonly key: Uint8Array;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Seconds that a token lasts; distribution's specification asks for 60 at least. */
  readonly lifetime?: number | undefined;
}

/** Seconds that a refresh token lasts: 90 days. */
const refreshLifetime = 90 * 24 * 3600;

/**
 * Asks for a bearer token with each request, and gives them at /token for a login: by GET with Basic
 * (distribution's token specification) or by POST (its OAuth2 one).
 */
export function createTokenAccess({
  users,
  anonymousPull = false,
  readOnly = false,
  key,
  now,
  lifetime = 300,
}: TokenAccessOptions): Access {
  const seconds = (): number => now() / 1000;
  const signer = createTokenSigner({ key, now: seconds });
  const basic = 'Basic realm="stowage", charset="UTF-8"';

  /** What of the scopes asked for the user gets. Less than asked for is no error: the registry will say so. */
  function grantedOf(scopes: readonly string[], user: string | undefined): readonly TokenAccess[] {
    return scopes
      .flatMap((scope) => scope.split(" "))
      .flatMap((scope) => {
        const [, name = "", actions = ""] =
          /^repository(?:\([a-z0-9]+\))?:(.+):([a-z*,]+)$/.exec(scope) ?? [];
        if (!isRepositoryName(name)) return [];
        const asked = actions
          .split(",")
          .flatMap((action) => (action === "*" ? ["pull", "push", "delete"] : [action]));
        const may = (action: string): boolean =>
          action === "pull"
            ? users === undefined || user !== undefined || anonymousPull
            : (action === "push" || action === "delete") &&
              !readOnly &&
              (users === undefined || user !== undefined);
        return [{ name, actions: [...new Set(asked)].filter(may) }];
      });
  }

  async function giveToken(request: Request): Promise<Response> {
    const asked = request.method === "POST" ? await formOf(request) : request.query;
    const user = await requester(request, asked);
    if (users !== undefined && user === undefined && !anonymousPull)
      throw unauthorized("tokens are for users", basic);
    const access = grantedOf(asked.getAll("scope"), user);
    const token = sign(signer, { user, use: "access", access }, seconds() + lifetime);
    const isOffline = asked.get("offline_token") === "true" || asked.get("access_type") === "offline";
    return jsonResponse(
      {
        token,
        access_token: token,
        expires_in: lifetime,
        issued_at: new Date(now()).toISOString(),
        scope: access.map(({ name, actions }) => `repository:${name}:${actions.join(",")}`).join(" "),
        ...(isOffline && user !== undefined
          ? { refresh_token: sign(signer, { user, use: "refresh", access: [] }, seconds() + refreshLifetime) }
          : {}),
      },
      { headers: { "Cache-Control": "no-store" } },
    );
  }

  /** Who asks for a token; undefined for nobody in particular. */
  async function requester(request: Request, asked: URLSearchParams): Promise<string | undefined> {
    if (request.method === "POST" && asked.get("grant_type") === "refresh_token") {
      const claims = signer.verify(asked.get("refresh_token") ?? "");
      if (claims?.use !== "refresh") throw unauthorized("the refresh token is not valid", basic);
      return claims.user;
    }
    const given: Credentials | undefined =
      request.method === "POST" && asked.get("grant_type") === "password"
        ? { user: asked.get("username") ?? "", password: asked.get("password") ?? "" }
        : basicCredentials(request);
    if (given === undefined) return undefined;
    if (users === undefined || (await users.isPassword(given.user, given.password))) return given.user;
    throw unauthorized("wrong user or password", basic);
  }

  return {
    token: giveToken,
    async authorize(request, needs) {
      const bearer = /^bearer +(\S+)$/i.exec(request.headers["authorization"] ?? "")?.[1];
      const challenge = challengeOf(request, needs);
      if (bearer === undefined) {
        // Some clients send the password at once; it says as much as a token.
        const user = users && (await userOf(request, { users, challenge }));
        if (user === undefined && !isOpen(needs, anonymousPull))
          throw unauthorized("this registry asks for a token", challenge);
        return { user };
      }
      const claims = signer.verify(bearer);
      if (claims?.use !== "access")
        throw unauthorized("the token is not valid, or not any more", `${challenge},error="invalid_token"`);
      const allows = ({ name, action }: Need): boolean =>
        name === undefined ||
        claims.access.some((access) => access.name === name && access.actions.includes(action));
      const lacking = isOpen(needs, anonymousPull) ? undefined : needs.find((need) => !allows(need));
      if (lacking !== undefined)
        throw unauthorized(
          `the token is not for ${lacking.action} of ${lacking.name}`,
          `${challenge},error="insufficient_scope"`,
        );
      return { user: claims.user || undefined };
    },
  };
}

const sign = (
  signer: TokenSigner,
  {
    user = "",
    use,
    access,
  }: { user: string | undefined; use: "access" | "refresh"; access: readonly TokenAccess[] },
  expires: number,
): string => signer.sign({ user, use, access, expires: Math.floor(expires) });

/** Where a token is to be had, and for what: a push is asked for with the pull that comes with it. */
function challengeOf({ origin }: Request, needs: readonly Need[]): string {
  const scopes = needs.flatMap(({ name, action }) =>
    name === undefined ? [] : [`repository:${name}:${action === "push" ? "pull,push" : action}`],
  );
  const scope = scopes.length === 0 ? "" : `,scope="${scopes.join(" ")}"`;
  return `Bearer realm="${origin}/token",service="stowage"${scope}`;
}

async function formOf(request: Request): Promise<URLSearchParams> {
  const body = await readAll(request.body, { limit: 64 * 1024, subject: "the form" });
  const text = textOf(body);
  if (text === undefined) throw new RegistryError("UNSUPPORTED", "the form is not UTF-8", { status: 400 });
  return new URLSearchParams(text);
}
