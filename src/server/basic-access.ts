import { textOf } from "../base/bytes.js";
import type { Access, Need } from "./access.js";
import { RegistryError } from "./error.js";
import type { Users } from "./htpasswd.js";
import type { Request } from "./http.js";

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** What an Authorization header of the scheme Basic says (RFC 7617). */
export function basicCredentials({ headers }: Request): Credentials | undefined {
  const [, encoded] = /^basic +([A-Za-z0-9+/=]+)$/i.exec(headers["authorization"] ?? "") ?? [];
  const text = encoded === undefined ? undefined : textOf(Buffer.from(encoded, "base64"));
  const colon = text?.indexOf(":") ?? -1;
  if (text === undefined || colon < 0) return undefined;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** The user of the header's credentials; undefined without any. @throws RegistryError UNAUTHORIZED for wrong ones */
export async function userOf(
  request: Request,
  { users, challenge }: { users: Users; challenge: string },
): Promise<string | undefined> {
  if (request.headers["authorization"] === undefined) return undefined;
  const given = basicCredentials(request);
  if (given !== undefined && (await users.isPassword(given.user, given.password))) return given.user;
  throw unauthorized("wrong user or password", challenge);
}

export const unauthorized = (message: string, challenge: string): RegistryError =>
  new RegistryError("UNAUTHORIZED", message, { headers: { "WWW-Authenticate": challenge } });

/**
 * Whether nobody in particular may do it. Not so `/v2/`: clients ask there how to log in, and would take a
 * plain answer for a registry without users.
 */
export const isOpen = (needs: readonly Need[], anonymousPull: boolean): boolean =>
  anonymousPull && needs.every(({ name, action }) => action === "pull" && name !== undefined);

/** Asks for user and password with each request (RFC 7617). */
export function createBasicAccess({
  users,
  anonymousPull = false,
}: {
  readonly users: Users;
  readonly anonymousPull?: boolean | undefined;
}): Access {
  const challenge = 'Basic realm="stowage", charset="UTF-8"';
  return {
    async authorize(request, needs) {
      const user = await userOf(request, { users, challenge });
      if (user === undefined && !isOpen(needs, anonymousPull))
        throw unauthorized("this registry asks for a login", challenge);
      return { user };
    },
  };
}
