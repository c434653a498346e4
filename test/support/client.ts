import { type HttpClientOptions, openHttpClient } from "../../src/io/http-client/http-client.js";
import { openRemoteRepository } from "../../src/io/registry/remote.js";
import { systemClock } from "../../src/io/system/clock.js";
import type { Credential } from "../../src/oci/credential.js";
import { parseRegistryUrl } from "../../src/oci/reference.js";
import type { Repository } from "../../src/oci/repository.js";

export interface TestClient extends AsyncDisposable {
  /** A repository by its name, at the registry that the client is for. */
  open(name: string): Repository;
  /** How long all waits were together, in ms; none of them took any time. */
  readonly waited: () => number;
}

export interface TestClientOptions extends Partial<HttpClientOptions> {
  readonly login?: { readonly username: string; readonly password: string } | undefined;
}

/** A client of one registry whose waits pass at once, on a clock of its own that they move on. */
export function openTestClient(url: string, { login, ...options }: TestClientOptions = {}): TestClient {
  let waited = 0;
  const { protocol, host } = new URL(url);
  const credential: Credential | undefined =
    login === undefined ? undefined : { type: "password", ...login, source: "the test" };
  const client = openHttpClient({
    clock: {
      now: () => systemClock.now() + waited,
      async sleep(ms, signal) {
        waited += ms;
        await systemClock.sleep(0, signal);
      },
    },
    random: Math.random,
    environment: {},
    credentials: { find: async ({ domain }) => (domain === host ? credential : undefined) },
    ...options,
  });
  const scheme = protocol === "https:" ? "oci" : "oci+http";
  return {
    open: (name) => openRemoteRepository(parseRegistryUrl(`${scheme}://${host}/${name}`), client),
    waited: () => waited,
    [Symbol.asyncDispose]: () => client.close(),
  };
}
