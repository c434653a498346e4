import { spawn } from "node:child_process";
import { chmod, mkdir } from "node:fs/promises";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type Call, checkInterrupted } from "../../base/call.js";
import { Failure } from "../../base/failure.js";
import { diskFailure, systemCodeOf } from "../disk/disk-failure.js";

/** GnuPG with a home of its own, whose keys are the keyring. */
export interface Gpg {
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface GpgRun extends Call {
  readonly input?: Uint8Array | undefined;
  /** Bytes that gpg reads as the file `-&3`. */
  readonly third?: Uint8Array | undefined;
}

export interface GpgResult {
  readonly code: number;
  readonly output: Uint8Array;
  /** What it said on its status channel, without `[GNUPG:] `. */
  readonly status: readonly string[];
  /** What it said to people. */
  readonly complaint: string;
}

/** Names that distributions give the program. */
const programs = ["gpg", "gpg2"];

/**
 * Runs gpg to its end, whatever its exit code.
 * @throws Failure `gpg.not-installed`, `interrupted`
 */
export async function runGpg(gpg: Gpg, args: readonly string[], run: GpgRun = {}): Promise<GpgResult> {
  for (const program of programs) {
    try {
      return await start(program, gpg, args, run);
    } catch (error) {
      if (systemCodeOf(error) !== "ENOENT") throw error;
    }
  }
  throw new Failure("unsupported", "GnuPG is needed, and there is no program gpg on the PATH", {
    code: "gpg.not-installed",
    hint: "Install gnupg. To verify signatures without it, name a file of trusted keys with --keyring.",
  });
}

/** As `runGpg`, for what must work. @throws Failure `gpg.failed` too */
export async function gpgOutput(gpg: Gpg, args: readonly string[], run: GpgRun = {}): Promise<GpgResult> {
  const result = await runGpg(gpg, args, run);
  if (result.code === 0) return result;
  const what = args.find((arg) => arg.startsWith("--")) ?? "";
  throw new Failure("unavailable", `gpg ${what} failed with the keyring ${gpg.home}: ${result.complaint}`, {
    code: "gpg.failed",
    subject: gpg.home,
    hint: `Try it by hand: gpg --homedir ${gpg.home} ${what}.`,
  });
}

async function start(
  program: string,
  { home, env }: Gpg,
  args: readonly string[],
  { input, third, signal }: GpgRun,
): Promise<GpgResult> {
  checkInterrupted({ signal });
  const child = spawn(
    program,
    ["--homedir", home, "--batch", "--no-tty", "--status-fd", "4", "--no-permission-warning", ...args],
    // Messages are shown where it fails; a language of the user's own would make them harder to look up.
    { env: { ...env, LC_ALL: "C" }, stdio: ["pipe", "pipe", "pipe", "pipe", "pipe"], signal },
  );
  const closed = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
  for (const [fd, bytes] of [
    [0, input],
    [3, third],
  ] as const) {
    const stream = child.stdio[fd];
    // Whoever ends without reading its input is judged by its exit code.
    if (stream !== null && stream !== undefined && "end" in stream)
      stream.on("error", () => {}).end(bytes ?? new Uint8Array());
  }
  const read = (stream: unknown): Promise<Buffer> => buffer(stream as Readable);
  try {
    const [code, output, complaint, status] = await Promise.all([
      closed,
      read(child.stdout),
      read(child.stderr),
      read(child.stdio[4]),
    ]);
    return {
      code,
      output,
      status: status
        .toString("utf8")
        .split("\n")
        .flatMap((line) => (line.startsWith("[GNUPG:] ") ? [line.slice(9)] : [])),
      complaint: complaint.toString("utf8").trim().split("\n").slice(-3).join("; ").slice(0, 500),
    };
  } catch (error) {
    checkInterrupted({ signal });
    throw error;
  }
}

/** Makes the home where it is missing, for its owner alone, as GnuPG demands. */
export async function makeHome({ home }: Gpg): Promise<void> {
  try {
    await mkdir(home, { recursive: true, mode: 0o700 });
    await chmod(home, 0o700);
  } catch (error) {
    throw diskFailure(error, { doing: "keep keys in", path: home, elsewhere: "with SPACK_GNUPGHOME" });
  }
}
