import { Failure } from "../base/failure.js";
import { loginOf } from "../config/mirror.js";
import { type GivenCredential, openCredentials } from "../io/credentials/credentials.js";
import { removeLogin, storeLogin } from "../io/credentials/login.js";
import { type Permission, probeLogin, probeRepository } from "../io/registry/probe.js";
import type { Credential } from "../oci/credential.js";
import {
  type ImageReference,
  parseImageReference,
  parseRegistry,
  parseRegistryUrl,
  type RegistryUrl,
  registryOrigin,
} from "../oci/reference.js";
import { openConnection } from "./connection.js";
import { type Context, openContext, type StowageOptions } from "./context.js";

export interface LoginResult {
  readonly registry: string;
  readonly username: string;
  /** The file or the helper that has it now. */
  readonly place: string;
  /** It is in a file as it is, not with a helper. */
  readonly isPlain: boolean;
  /** `false`: the registry lets anyone in, so it did not look at the login. */
  readonly verified: boolean;
}

/**
 * Logs in to a registry (`ghcr.io`, `oci+http://localhost:5000`), and keeps the login where docker would.
 * @throws Failure `registry.login-refused`, `credentials.*`
 */
export async function login(
  registry: string,
  { username, password, ...options }: { username: string; password: string } & StowageOptions,
): Promise<LoginResult> {
  if (username === "" || password === "" || username.includes(":"))
    throw new Failure("usage", `a login for ${registry} has a user name without : and a password`, {
      code: "auth.login-incomplete",
    });
  const context = await openContext(options);
  const { scheme = "https", domain } = parseRegistry(registry);
  const credential: Credential = { type: "password", username, password, source: "the login given" };
  await using client = openConnection(context, [{ domain, credential }]);
  const asked = await probeLogin({ origin: registryOrigin({ scheme, domain }), domain }, client, context);
  const stored = await storeLogin({ domain, username, password }, surroundingsOf(context), context);
  return { registry: domain, username, ...stored, verified: asked !== undefined };
}

export interface LogoutResult {
  readonly registry: string;
  /** Where there was a login; empty where there was none. */
  readonly places: readonly string[];
}

/** Forgets the login for a registry. */
export async function logout(registry: string, options: StowageOptions = {}): Promise<LogoutResult> {
  const context = await openContext(options);
  const { domain } = parseRegistry(registry);
  return { registry: domain, places: await removeLogin(domain, surroundingsOf(context), context) };
}

export interface AuthReport {
  /** `ghcr.io/org/cache` */
  readonly repository: string;
  /** The login that is used; undefined: none was found. */
  readonly login: { readonly source: string; readonly username: string | undefined } | undefined;
  /** How the registry asks for a login; `none` where it did not. */
  readonly scheme: "none" | "basic" | "bearer";
  /** Who gives its tokens. */
  readonly tokenService: string | undefined;
  readonly pull: Permission;
  readonly push: Permission;
}

/**
 * Says which login is used for a repository, and what it may do: by trying, without leaving anything behind.
 * @param reference a mirror's name, a registry URL, or an image reference
 * @throws Failure `oci.reference-invalid`, `registry.*` where the registry cannot be asked
 */
export async function authCheck(reference: string, options: StowageOptions = {}): Promise<AuthReport> {
  const context = await openContext(options);
  const mirror = (await context.mirrors()).find(({ name }) => name === reference);
  const where = whereIs(mirror?.push?.url ?? mirror?.fetch?.url ?? reference);
  const given: GivenCredential[] = [];
  const own = mirror && (loginOf(mirror, "fetch", context.env) ?? loginOf(mirror, "push", context.env));
  if (mirror !== undefined && own !== undefined)
    given.push({
      ...where,
      credential: {
        type: "password",
        username: own.user,
        password: own.password,
        source: `mirror ${mirror.name}`,
      },
    });
  await using client = openConnection(context, given);
  const known = await openCredentials({ ...surroundingsOf(context), given }).find(where, context);
  const found = known?.httpsOnly === true && where.scheme !== "https" ? undefined : known;
  const { scheme, pull, push } = await probeRepository(where, client, context);
  return {
    repository: `${where.domain}/${where.name}`,
    login: found && {
      source: found.source,
      username: found.type === "access-token" ? undefined : found.username,
    },
    scheme: scheme?.type ?? "none",
    tokenService: scheme?.type === "bearer" ? scheme.realm.origin : undefined,
    pull,
    push,
  };
}

function whereIs(text: string): RegistryUrl | (ImageReference & { scheme: "https" }) {
  return text.includes("://") ? parseRegistryUrl(text) : { scheme: "https", ...parseImageReference(text) };
}

const surroundingsOf = ({ env, home }: Context): { environment: Context["env"]; home: string } => ({
  environment: env,
  home,
});
