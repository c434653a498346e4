import type { Call } from "../base/call.js";
import type { RepositoryName } from "./reference.js";

/** What proves who one is to a registry. */
export type Credential = (
  | { readonly type: "password"; readonly username: string; readonly password: string }
  /** An OAuth2 refresh token, which token services take for access tokens. */
  | { readonly type: "identity-token"; readonly token: string; readonly username?: string | undefined }
  /** A bearer token that is used as it is. */
  | { readonly type: "access-token"; readonly token: string }
) & {
  /** Where it was found, for people: `/home/u/.docker/config.json`, `docker-credential-pass`. Never a secret. */
  readonly source: string;
  /** It never goes over http, not even within this machine or with `--insecure`. */
  readonly httpsOnly?: boolean | undefined;
};

/** Where credentials are looked up. */
export interface CredentialStore {
  /**
   * The credential for a repository; undefined where there is none, and access is anonymous.
   * @param domain host and port; `docker.io` for Docker Hub
   */
  find(
    where: { domain: string; name?: RepositoryName | undefined },
    call?: Call,
  ): Promise<Credential | undefined>;
}

export const noCredentials: CredentialStore = { find: async () => undefined };
