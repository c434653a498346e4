import { afterAll, describe, test } from "vitest";
import { createMemoryRegistry } from "../../src/oci/memory.js";
import { parseRepositoryName } from "../../src/oci/reference.js";
import { openTestClient, type TestClient } from "../support/client.js";
import { hasDockerRegistry, startDockerRegistry } from "../support/docker-registry.js";
import { pem, startRegistry } from "../support/registry.js";
import { registryContract } from "./registry-contract.js";

const alice = { username: "alice", password: "secret" };
const htpasswd = { alice: "secret" };

/** Runs the contract over a client of a registry that lives as long as its tests. */
async function overHttp(
  start: () => Promise<{ url: string } & AsyncDisposable>,
  connect: (url: string) => TestClient,
  can = {},
): Promise<void> {
  const registry = await start();
  const client = connect(registry.url);
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });
  registryContract({ open: client.open, can });
}

describe("in memory, without HTTP", () => {
  const registry = createMemoryRegistry();
  registryContract({ open: (name) => registry.repository(parseRepositoryName(name)) });
});

describe("our registry in memory", () => overHttp(() => startRegistry(), openTestClient));

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

describe.skipIf(!hasDockerRegistry)("docker-registry", () =>
  overHttp(startDockerRegistry, openTestClient, { sha512: false, deleteByTag: false }),
);

describe.skipIf(!hasDockerRegistry)("docker-registry with htpasswd", () =>
  overHttp(
    () => startDockerRegistry({ htpasswd }),
    (url) => openTestClient(url, { login: alice }),
    { sha512: false, deleteByTag: false },
  ),
);

test.skipIf(hasDockerRegistry)("docker-registry is not installed: its contract was not tested", () => {});
