import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The built command. */
export const cli = fileURLToPath(new URL("../../dist/cli/stowage.js", import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What `--json` printed. */
  readonly json: () => Record<string, unknown>;
}

export interface CliOptions {
  /** Where configuration, caches and the home directory of the run are: nothing of the user's is read. */
  readonly home: string;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly input?: string | undefined;
  /** Called with the child, to signal it for instance. */
  readonly started?: ((kill: (signal: NodeJS.Signals) => void) => void) | undefined;
}

/** Runs the built command as a child process, as a user would. */
export async function stowage(
  args: readonly string[],
  { home, env, input, started }: CliOptions,
): Promise<CliResult> {
  const child = spawn(process.execPath, [cli, ...args], {
    env: {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: home,
      SPACK_USER_CONFIG_PATH: join(home, "spack"),
      SPACK_SYSTEM_CONFIG_PATH: join(home, "system"),
      ...env,
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  started?.((signal) => child.kill(signal));
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (chunk: string) => {
      text[name] += chunk;
    });
  child.stdin.on("error", () => undefined).end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exit) => resolve(exit));
  });
  return { code, ...text, json: () => JSON.parse(text.stdout) };
}
