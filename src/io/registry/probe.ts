import type { Call } from "../../base/call.js";
import { RegistryFailure } from "../../oci/errors.js";
import type { RegistryUrl } from "../../oci/reference.js";
import { type Answer, unexpected } from "../http-client/answer.js";
import type { Access, Scheme } from "../http-client/authorizer.js";
import type { HttpClient } from "../http-client/http-client.js";
import { endpointOf, locationOf, saysAbsent } from "./endpoint.js";

/** Whether something may be done, and where not, what the registry said. */
export interface Permission {
  readonly allowed: boolean;
  readonly reason: string | undefined;
}

export interface Probe {
  /** How the registry asks for a login; undefined where it did not. */
  readonly scheme: Scheme | undefined;
  readonly pull: Permission;
  readonly push: Permission;
}

/** Finds out what may be done with a repository by doing it: lists a tag, and starts an upload that it cancels. */
export async function probeRepository(
  where: Pick<RegistryUrl, "scheme" | "domain" | "name">,
  client: HttpClient,
  call?: Call,
): Promise<Probe> {
  const endpoint = endpointOf(where, client);
  const access = endpoint.access(["pull", "push"]);
  const pull = await permissionFor(async () => {
    const url = endpoint.url("tags/list", { n: "1" });
    const answer = await client.send({ method: "GET", url, access: endpoint.access(["pull"]) }, call);
    if (answer.status !== 200 && !saysAbsent(answer, endpoint, ["NAME_UNKNOWN"])) throw unexpected(answer);
  });
  const push = await permissionFor(async () => {
    const url = endpoint.url("blobs/uploads/");
    const answer = await client.send({ method: "POST", url, access, body: new Uint8Array() }, call);
    if (answer.status !== 202) throw unexpected(answer);
    // Registries clear away what is not finished; that some do not cancel is no concern of ours.
    await client.send({ method: "DELETE", url: locationOf(answer), access }, call);
  });
  return { scheme: client.authorizer.schemeOf(access), pull, push };
}

async function permissionFor(work: () => Promise<void>): Promise<Permission> {
  try {
    await work();
    return { allowed: true, reason: undefined };
  } catch (error) {
    // What a registry refuses is the answer here; that it cannot be reached is not.
    if (error instanceof RegistryFailure && (error.kind === "denied" || error.kind === "unsupported"))
      return { allowed: false, reason: error.message };
    throw error;
  }
}

/**
 * Asks a registry as a whole whether it takes a login.
 * @returns how it asked for one; undefined where anyone may come in, so that the login was not looked at
 * @throws RegistryFailure `registry.login-refused`
 */
export async function probeLogin(
  { origin, domain }: Pick<Access, "origin" | "domain">,
  client: HttpClient,
  call?: Call,
): Promise<Scheme | undefined> {
  const access = { origin, domain, scopes: [] };
  const answer: Answer = await client.send({ method: "GET", url: new URL("/v2/", origin), access }, call);
  if (answer.status !== 200) throw unexpected(answer);
  return client.authorizer.schemeOf(access);
}
