import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { scratchDirectory } from "../support/fixtures.js";
import { goTool } from "../support/go-tools.js";
import { pemPath, startRegistry, type TestRegistryOptions } from "../support/registry.js";

// The official suite of the OCI distribution-spec, at the commit that these results are for.
const suite = await goTool("github.com/opencontainers/distribution-spec/conformance", "967efdc079b9");
const missing = "missing" in suite ? suite.missing : undefined;

const htpasswd = { alice: "secret" };
const registries: readonly (readonly [string, TestRegistryOptions])[] = [
  ["in memory", {}],
  ["on disk", { storage: "disk" }],
  ["on disk, over TLS", { storage: "disk", tls: true }],
  ["with htpasswd", { htpasswd }],
  ["with tokens", { htpasswd, token: true }],
];

test.skipIf(missing).each(registries)(
  `the conformance suite passes for our registry %s${missing ? ` (skipped: ${missing})` : ""}`,
  async (_, options) => {
    await using registry = await startRegistry(options);
    using results = scratchDirectory();
    const [user, password] = Object.entries(options.htpasswd ?? {})[0] ?? ["", ""];
    const outcome = await promisify(execFile)("path" in suite ? suite.path : "", [], {
      cwd: results.path,
      env: {
        ...process.env,
        OCI_REGISTRY: registry.host,
        OCI_TLS: options.tls === true ? "enabled" : "disabled",
        SSL_CERT_FILE: pemPath("ca"),
        OCI_USERNAME: user,
        OCI_PASSWORD: password,
        // Every optional API: cancelling of uploads, digest headers and tags in the query, beside those of 1.1.
        OCI_VERSION: "dev",
      },
    }).catch((error: { stdout: string; stderr: string }) => error);
    const outcomes = [...outcome.stdout.matchAll(/^ {2}(\S.*?)\.+: +(\w+)$/gm)].map(
      ([, what, how]) => `${what}: ${how}`,
    );
    expect(outcomes).toContain("Referrers: Pass");
    // A registry may refuse manifests whose blobs it does not have, and ours does.
    expect(outcomes.filter((result) => !/: (?:Pass|\d+)$/.test(result))).toEqual([
      "Sparse Manifests: Disabled",
    ]);
    expect(outcomes).toEqual(expect.arrayContaining(["Skip: 0", "FAIL: 0", "Error: 0"]));
  },
);
