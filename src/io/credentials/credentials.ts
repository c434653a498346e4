import type { Call } from "../../base/call.js";
import type { Credential, CredentialStore } from "../../oci/credential.js";
import type { RepositoryName } from "../../oci/reference.js";
import { ciLogin } from "./ci-login.js";
import { openHelper } from "./helper.js";
import { type LoginFile, loginAt, readLoginFile, sectionOf } from "./login-file.js";
import { keysOf, loginFiles, type Surroundings, serverOf } from "./places.js";

/** A login that was given for a registry, or for a part of it: Spack's mirrors have them. */
export interface GivenCredential {
  readonly domain: string;
  /** The repository it is for, with all below it; undefined: the whole registry. */
  readonly name?: RepositoryName | undefined;
  readonly credential: Credential;
}

export interface CredentialsOptions extends Surroundings {
  /** Asked before all files; the one for the longest name first. The list may still grow. */
  readonly given?: readonly GivenCredential[] | undefined;
}

/**
 * Credentials as users have them already: those given, then the files of podman and docker with their helpers, then
 * what a CI system gives its jobs.
 * Files are read when a registry asks for a login, not before.
 */
export function openCredentials({ given = [], ...surroundings }: CredentialsOptions): CredentialStore {
  let read: Promise<readonly LoginFile[]> | undefined;
  return {
    async find({ domain, name }, call) {
      const [mine] = given
        .filter((each) => each.domain === domain && isWithin(name, each.name))
        .sort((a, b) => (b.name?.length ?? 0) - (a.name?.length ?? 0));
      if (mine !== undefined) return mine.credential;
      read ??= readFiles(surroundings);
      for (const file of await read) {
        const credential = await credentialIn(file, { domain, name, surroundings }, call);
        if (credential !== undefined) return credential;
      }
      return ciLogin(domain, surroundings.environment);
    },
  };
}

const isWithin = (name: RepositoryName | undefined, part: RepositoryName | undefined): boolean =>
  part === undefined || name === part || name?.startsWith(`${part}/`) === true;

async function readFiles(surroundings: Surroundings): Promise<readonly LoginFile[]> {
  const files: LoginFile[] = [];
  for (const path of new Set(loginFiles(surroundings))) {
    const file = await readLoginFile(path);
    if (file !== undefined) files.push(file);
  }
  return files;
}

async function credentialIn(
  file: LoginFile,
  where: { domain: string; name: RepositoryName | undefined; surroundings: Surroundings },
  call: Call | undefined,
): Promise<Credential | undefined> {
  const keys = keysOf(where);
  const helperName = helperOf(file, keys);
  if (helperName !== undefined) {
    const helper = openHelper(helperName, where.surroundings);
    const login = await helper.get(serverOf(where.domain), call);
    if (login !== undefined) {
      const { username, secret } = login;
      const source = `${helper.program} (named in ${file.path})`;
      // Helpers have one field for both: this user name says which it is.
      return username === "<token>"
        ? { type: "identity-token", token: secret, source }
        : { type: "password", username, password: secret, source };
    }
  }
  for (const key of keys) {
    const login = loginAt(file, key);
    if (login === undefined) continue;
    const { username, password, identityToken, accessToken } = login;
    const source = file.path;
    if (accessToken !== undefined) return { type: "access-token", token: accessToken, source };
    if (identityToken !== undefined)
      return { type: "identity-token", token: identityToken, username, source };
    return { type: "password", username, password, source };
  }
  return undefined;
}

/** The helper for a registry: its own, else the one for all. */
export function helperOf(file: LoginFile, keys: readonly string[]): string | undefined {
  const helpers = sectionOf(file, "credHelpers");
  const own = keys.map((key) => helpers[key]).find((value) => typeof value === "string" && value !== "");
  const name = own ?? file.document["credsStore"];
  return typeof name === "string" && name !== "" ? name : undefined;
}
