import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import bcrypt from "bcryptjs";

/** Whether Debian's `docker-registry` is on this machine. */
export const hasDockerRegistry = spawnSync("docker-registry", ["--version"]).status === 0;

export interface DockerRegistry extends AsyncDisposable {
  readonly url: string;
}

/** Debian's registry (distribution 2.8) on a free port, with deletion on, gone at the end of `await using`. */
export async function startDockerRegistry({
  htpasswd = {},
}: {
  htpasswd?: Readonly<Record<string, string>>;
} = {}): Promise<DockerRegistry> {
  const root = await mkdtemp(join(tmpdir(), "stowage-docker-registry-"));
  const port = await freePort();
  const users = Object.entries(htpasswd);
  await writeFile(
    join(root, "htpasswd"),
    users.map(([name, password]) => `${name}:${bcrypt.hashSync(password, 4)}\n`).join(""),
  );
  const config = {
    version: 0.1,
    log: { level: "error", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(root, "data") }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}` },
    ...(users.length > 0 ? { auth: { htpasswd: { realm: "test", path: join(root, "htpasswd") } } } : {}),
  };
  // YAML is a superset of JSON.
  await writeFile(join(root, "config.yml"), JSON.stringify(config));
  const child = spawn("docker-registry", ["serve", join(root, "config.yml")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  // It logs each 404: only worth showing where it does not come up.
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log = (log + text).slice(-2000);
  });
  const url = `http://127.0.0.1:${port}`;
  await answers(`${url}/v2/`, { child, log: () => log });
  return {
    url,
    async [Symbol.asyncDispose]() {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      if (child.kill()) await gone;
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function answers(
  url: string,
  { child, log }: { child: ChildProcess; log: () => string },
): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await fetch(url);
      return;
    } catch (error) {
      if (tries === 100 || child.exitCode !== null)
        throw new Error(`${url} does not come up: ${log()}`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        address !== null && typeof address === "object"
          ? resolve(address.port)
          : reject(new Error("no port")),
      );
    });
  });
