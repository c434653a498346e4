import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { scratchDirectory } from "../support/fixtures.js";
import { pemPath, startRegistry } from "../support/registry.js";

const program = fileURLToPath(new URL("../../dist/cli/stowage.js", import.meta.url));
const scratch = scratchDirectory();
const registry = await startRegistry({
  htpasswd: { alice: "open sesame" },
  token: true,
  tls: true,
  anonymousPull: true,
});
const { host } = registry;
afterAll(async () => {
  scratch[Symbol.dispose]();
  await registry.close();
});

/** Runs the built command beside the registry in this process. */
async function stowage(
  args: readonly string[],
  input = "",
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [program, "--ca", pemPath("ca"), ...args], {
    env: {
      PATH: "/usr/bin:/bin",
      HOME: scratch.path,
      SPACK_SYSTEM_CONFIG_PATH: join(scratch.path, "system"),
      ...env,
    },
  });
  const told = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    told.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    told.err += text;
  });
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, ...told };
}

test("login, check and logout of a registry that gives tokens", async () => {
  const before = await stowage(["auth", "check", `oci://${host}/team/cache`]);
  expect(before.code).toBe(0);
  expect(before.out).toMatch(/login +none found\n.*tokens from https:.*\npull +yes\npush +no: .*401/s);

  const wrong = await stowage(["login", host, "-u", "alice", "--password-stdin"], "sesame\n");
  expect(wrong.code).toBe(4);
  expect(wrong.err).not.toContain("sesame");

  const right = await stowage(["login", host, "-u", "alice", "--password-stdin"], "open sesame\n");
  expect(right).toMatchObject({ code: 0, err: "" });
  const file = join(scratch.path, ".docker/config.json");
  expect(right.out).toContain(`logged in to ${host} as alice; kept in ${file}`);
  expect(JSON.parse(readFileSync(file, "utf8")).auths[host].auth).toBe(
    Buffer.from("alice:open sesame").toString("base64"),
  );

  const after = await stowage(["auth", "check", `oci://${host}/team/cache`, "--json"]);
  expect(JSON.parse(after.out)).toMatchObject({
    login: { source: file, username: "alice" },
    scheme: "bearer",
    pull: { allowed: true },
    push: { allowed: true },
  });

  expect((await stowage(["logout", host])).out).toBe(`removed the login for ${host} from ${file}\n`);
  expect((await stowage(["logout", host])).out).toBe(`there was no login for ${host}\n`);
});

test("without the registry's authority nothing is sent, and the next step is named", async () => {
  const { code, err } = await stowage(["login", `https://${host}`, "-u", "alice", "--ca", "/dev/null"], "x");
  expect(code).toBe(4);
  expect(err).toContain("--ca FILE");
});

test("a CI job's login is used for its registry where nothing else gives one, and never over http", async () => {
  const job = { CI_REGISTRY: host, CI_REGISTRY_USER: "alice", CI_REGISTRY_PASSWORD: "open sesame" };
  const check = await stowage(["auth", "check", `oci://${host}/team/cache`, "--json"], "", job);
  expect(JSON.parse(check.out)).toMatchObject({
    login: { source: "$CI_REGISTRY_PASSWORD", username: "alice" },
    push: { allowed: true },
  });

  await using plain = await startRegistry({ htpasswd: { alice: "open sesame" } });
  const url = `oci+http://${plain.host}/team/cache`;
  const withheld = await stowage(["auth", "check", url, "--json"], "", { ...job, CI_REGISTRY: plain.host });
  expect(JSON.parse(withheld.out)).toMatchObject({ pull: { allowed: false }, push: { allowed: false } });
  expect(JSON.parse(withheld.out)).not.toHaveProperty("login");
  expect(plain.requests.some(({ headers }) => headers["authorization"] !== undefined)).toBe(false);

  await stowage(["login", host, "-u", "alice", "--password-stdin"], "open sesame\n");
  const own = await stowage(["auth", "check", `oci://${host}/team/cache`], "", job);
  await stowage(["logout", host]);
  expect(own.out).toContain(".docker/config.json as alice");
});

test("https goes through a proxy's tunnel", async () => {
  const asked: string[] = [];
  const proxy = createServer();
  proxy.on("connect", (request, socket) => {
    asked.push(request.url ?? "");
    const upstream = connect(Number(new URL(registry.url).port), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  try {
    const address = proxy.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const checked = await stowage(["--insecure", "auth", "check", "oci://registry.example/team/cache"], "", {
      https_proxy: `http://127.0.0.1:${port}`,
    });
    expect(checked, checked.err).toMatchObject({ code: 0 });
    expect(checked.out).toMatch(/pull +yes/);
    expect(asked[0]).toBe("registry.example:443");
  } finally {
    proxy.close();
    proxy.closeAllConnections();
  }
});
