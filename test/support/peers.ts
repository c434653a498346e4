import { execFile, spawn, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { scratchDirectory } from "./fixtures.js";
import { htpasswdOf } from "./registry.js";

/** Why a program cannot be used in a test; undefined where it is there. */
export const missingProgram = (name: string): string | undefined =>
  spawnSync(name, ["--version"]).error === undefined ? undefined : `${name} is not installed`;

/**
 * Runs a program of somebody else's to its end, while servers in this process go on answering. Fails with what it
 * wrote, so that a test says why.
 */
export async function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  { timeout = 120_000 }: { readonly timeout?: number } = {},
): Promise<string> {
  const options = { env: { ...process.env, ...env }, maxBuffer: 1 << 26, timeout };
  const { stdout } = await promisify(execFile)(program, args, options);
  return stdout;
}

/** A port that was free a moment ago: for servers that cannot choose their own. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:5000` */
  readonly host: string;
  readonly url: string;
}

/** Debian's docker-registry on loopback, open to all or to the users given; gone at the end of `await using`. */
export async function startDockerRegistry({
  htpasswd,
  deletes = true,
}: {
  htpasswd?: Readonly<Record<string, string>>;
  deletes?: boolean;
} = {}): Promise<DockerRegistry> {
  const scratch = scratchDirectory();
  const host = `127.0.0.1:${await freePort()}`;
  mkdirSync(join(scratch.path, "data"));
  const users = join(scratch.path, "htpasswd");
  writeFileSync(users, htpasswdOf(htpasswd ?? {}));
  const config = join(scratch.path, "config.yml");
  writeFileSync(
    config,
    JSON.stringify({
      version: 0.1,
      log: { level: "error" },
      storage: { filesystem: { rootdirectory: join(scratch.path, "data") }, delete: { enabled: deletes } },
      http: { addr: host },
      ...(htpasswd === undefined ? {} : { auth: { htpasswd: { realm: "test", path: users } } }),
    }),
  );
  const server = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  const stop = async (): Promise<void> => {
    server.kill("SIGKILL");
    await ended;
    scratch[Symbol.dispose]();
  };
  for (let tries = 0; ; tries += 1) {
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer?.ok || answer?.status === 401)
      return { host, url: `http://${host}`, [Symbol.asyncDispose]: stop };
    if (tries > 200 || server.exitCode !== null) {
      await stop();
      throw new Error(`docker-registry does not answer on ${host}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Runs a command in an image of a registry, in a chroot with the image's environment. */
export async function runInImage(image: string, command: readonly string[]): Promise<string> {
  using scratch = scratchDirectory();
  const storage = ["--root", join(scratch.path, "root"), "--runroot", join(scratch.path, "run")];
  const env = { STORAGE_DRIVER: "vfs", BUILDAH_ISOLATION: "chroot" };
  const name = (
    await run("buildah", [...storage, "from", "--tls-verify=false", `docker://${image}`], env)
  ).trim();
  try {
    return await run("buildah", [...storage, "run", "--isolation=chroot", name, "--", ...command], env);
  } finally {
    await run("buildah", [...storage, "rm", name], env);
  }
}
