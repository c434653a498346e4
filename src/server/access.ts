import type { RepositoryName } from "../oci/reference.js";
import type { Handler, Request } from "./http.js";

export type Action = "pull" | "push" | "delete";

/** What a request does, and to which repository; the registry as a whole has no name. */
export interface Need {
  readonly name?: RepositoryName | undefined;
  readonly action: Action;
}

/** What was found out about who asks. */
export interface Grant {
  readonly user?: string | undefined;
}

/** Decides who may do what. */
export interface Access {
  /** @throws RegistryError UNAUTHORIZED with a challenge, where not all of it may be done */
  authorize(request: Request, needs: readonly Need[]): Promise<Grant>;
  /** Answers at /token, where there are tokens. */
  readonly token?: Handler | undefined;
}

/** Everybody may do everything: what a registry on loopback is by default. */
export const openAccess: Access = { authorize: async () => ({}) };
