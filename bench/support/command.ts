import { spawn, spawnSync } from "node:child_process";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

/** What a command and all that it waited for took. */
export interface Spent {
  readonly milliseconds: number;
  /** Seconds of processors; undefined where koffi is not installed. */
  readonly processors: number | undefined;
  /** Peak memory of the largest process, in bytes; undefined where koffi is not installed. */
  readonly memory: number | undefined;
  /** Bytes of what it made, where that is compared. */
  readonly size?: number | undefined;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** Built by run.mjs to `dist/bench`. */
const built = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const measurer = built("spent.js");

/** The command as it is shipped. */
export const stowage: readonly string[] = [process.execPath, built("../cli/stowage.js")];

/** The least that Node can do: what is added by a command is all that is more. */
export const nothing: readonly string[] = [process.execPath, "-e", "0"];

/** A home directory of a run's own: no configuration and no cache of the user's is read or changed. */
export const homeIn = (folder: string): Readonly<Record<string, string>> => ({
  HOME: folder,
  XDG_CACHE_HOME: `${folder}/.cache`,
  SPACK_USER_CONFIG_PATH: `${folder}/spack`,
  SPACK_SYSTEM_CONFIG_PATH: `${folder}/system`,
});

/** Runs a command to its end. @throws Error with what it said, where it fails */
export async function spend(
  command: readonly string[],
  { env = {} }: CommandOptions = {},
): Promise<Spent & { readonly stdout: string }> {
  const child = spawn(process.execPath, [measurer, ...command], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const code = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [stdout = "", stderr = "", spent = ""] = await Promise.all(
    child.stdio.slice(1).map((stream) => (stream instanceof Readable ? text(stream) : "")),
  );
  if ((await code) !== 0) throw new Error(`${command.join(" ")}: ${stderr}${stdout.slice(-2000)}`);
  const { milliseconds, processors, memory } = JSON.parse(spent);
  return { milliseconds, processors, memory, stdout };
}

/** Fails with what the shell said. */
export function sh(script: string): void {
  const { status, stderr } = spawnSync("sh", ["-c", script], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${script}: ${stderr}`);
}

const found = new Map<string, boolean>();

export function isInstalled(program: string): boolean {
  const known = found.get(program) ?? spawnSync(program, ["--version"]).error === undefined;
  found.set(program, known);
  return known;
}
