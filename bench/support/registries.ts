import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { isInstalled, stowage } from "./command.js";

/** A registry in a process of its own; it ends with this one. */
export interface RunningRegistry {
  readonly name: string;
  /** `127.0.0.1:12345` */
  readonly host: string;
  readonly pid: number | undefined;
  /** The folder it keeps everything in. */
  readonly root: string;
  /** Ends it and removes what it holds. */
  stop(): void;
}

/** What all others are compared with; ours where it is missing, which is said. */
export async function startRegistry(root: string): Promise<RunningRegistry> {
  if (isInstalled("docker-registry")) return await startDockerRegistry(root);
  console.error("docker-registry is missing: our own registry is used instead");
  return await startOurRegistry(root);
}

export async function startOurRegistry(root: string): Promise<RunningRegistry> {
  mkdirSync(root, { recursive: true });
  return await start("our registry", root, (host) => [
    ...stowage,
    "serve",
    "--quiet",
    "--root",
    root,
    "--listen",
    host,
  ]);
}

export async function startDockerRegistry(root: string): Promise<RunningRegistry> {
  mkdirSync(root, { recursive: true });
  return await start("docker-registry", root, (host) => {
    const config = join(root, "config.yml");
    // YAML holds JSON.
    writeFileSync(
      config,
      JSON.stringify({
        version: 0.1,
        log: { level: "error", accesslog: { disabled: true } },
        storage: { filesystem: { rootdirectory: join(root, "data") }, delete: { enabled: true } },
        http: { addr: host },
      }),
    );
    return ["docker-registry", "serve", config];
  });
}

/** What still runs: it ends with this process. */
const running = new Set<() => void>();
process.on("exit", () => {
  for (const end of running) end();
});

async function start(
  name: string,
  root: string,
  command: (host: string) => readonly string[],
): Promise<RunningRegistry> {
  const host = `127.0.0.1:${await freePort()}`;
  const [program = "", ...args] = command(host);
  const child = spawn(program, args, { stdio: "ignore" });
  const end = (): void => void child.kill("SIGKILL");
  running.add(end);
  // It does not keep this process from ending.
  child.unref();
  for (let tries = 0; ; tries += 1) {
    const answer = await fetch(`http://${host}/v2/`).catch((error: unknown) => error);
    if (answer instanceof Response && answer.ok) break;
    if (tries === 200) throw new Error(`${name} does not come up at ${host}`, { cause: answer });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    name,
    host,
    pid: child.pid,
    root,
    stop() {
      end();
      running.delete(end);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
