import { afterAll, beforeAll, describe } from "vitest";
import { createMemoryRegistry } from "../../src/oci/memory.js";
import { parseRepositoryName } from "../../src/oci/reference.js";
import { openTestClient, type TestClient } from "../support/client.js";
import { missingProgram, startDockerRegistry } from "../support/peers.js";
import { pem, startRegistry } from "../support/registry.js";
import { registryContract } from "./registry-contract.js";

const missing = missingProgram("docker-registry");
const alice = { username: "alice", password: "secret" };
const htpasswd = { alice: "secret" };

/** Runs the contract over a client of a registry that lives as long as its tests. */
function overHttp(
  start: () => Promise<{ url: string } & AsyncDisposable>,
  connect: (url: string) => TestClient,
  can = {},
): void {
  let registry: ({ url: string } & AsyncDisposable) | undefined;
  let client: TestClient | undefined;
  beforeAll(async () => {
    registry = await start();
    client = connect(registry.url);
  });
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });
  registryContract({
    open(name) {
      if (client === undefined) throw new Error("the registry is not up");
      return client.open(name);
    },
    can,
  });
}

describe("in memory, without HTTP", () => {
  const registry = createMemoryRegistry();
  registryContract({ open: (name) => registry.repository(parseRepositoryName(name)) });
});

describe("our registry in memory", () => overHttp(startRegistry, openTestClient));

describe("our registry on disk, over TLS", () =>
  overHttp(
    () => startRegistry({ storage: "disk", tls: true }),
    (url) => openTestClient(url, { tls: { ca: pem("ca") } }),
  ));

describe("our registry with htpasswd", () =>
  overHttp(
    () => startRegistry({ htpasswd }),
    (url) => openTestClient(url, { login: alice }),
  ));

describe("our registry with tokens", () =>
  overHttp(
    () => startRegistry({ htpasswd, token: true }),
    (url) => openTestClient(url, { login: alice }),
  ));

describe.skipIf(missing)(`docker-registry${missing ? ` (skipped: ${missing})` : ""}`, () =>
  overHttp(startDockerRegistry, openTestClient, { sha512: false, deleteByTag: false }),
);

describe.skipIf(missing)("docker-registry with htpasswd", () =>
  overHttp(
    () => startDockerRegistry({ htpasswd }),
    (url) => openTestClient(url, { login: alice }),
    { sha512: false, deleteByTag: false },
  ),
);
