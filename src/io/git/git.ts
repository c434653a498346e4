import { spawn } from "node:child_process";
import { checkInterrupted } from "../../base/call.js";
import { Failure } from "../../base/failure.js";
import { redactUrl } from "../../base/redact.js";
import { systemCodeOf } from "../disk/disk-failure.js";

/** How to run git on one repository. */
export interface Git {
  /** The program: a name or a path. */
  readonly program: string;
  /** What failures name. */
  readonly url: string;
  /** Milliseconds that one command may take. */
  readonly timeout: number;
}

export interface GitRun {
  readonly args: readonly string[];
  /** Text for its standard input: names go this way, where none can be taken for an option. */
  readonly input?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface GitResult {
  readonly code: number;
  readonly stdout: string;
  /** What it complained of: the last lines, without the URL's secrets. */
  readonly complaint: string;
}

/**
 * Runs git to its end and gives what it said, whatever its exit code.
 * @throws Failure `git.timeout`, `git.not-installed`, `interrupted`
 */
export async function runGit(git: Git, { args, input = "", signal }: GitRun): Promise<GitResult> {
  checkInterrupted({ signal });
  // A session of its own: no terminal to ask for a password on, and what git starts ends with it.
  const child = spawn(git.program, args, { env: environment(), detached: true });
  const end = () => {
    if (child.pid !== undefined) killGroup(child.pid);
  };
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, git.timeout);
  signal?.addEventListener("abort", end, { once: true });
  try {
    const closed = new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve(code ?? 1));
    });
    // A program that ends without reading its input breaks the pipe: its exit code tells why.
    child.stdin.once("error", () => {});
    child.stdin.end(input);
    const [code, stdout, stderr] = await Promise.all([closed, textOf(child.stdout), textOf(child.stderr)]);
    checkInterrupted({ signal });
    if (timedOut) throw timeoutOf(git);
    return { code, stdout, complaint: complaintOf(stderr, git.url) };
  } catch (error) {
    if (systemCodeOf(error) !== "ENOENT") throw error;
    throw new Failure("unsupported", `cannot run ${git.program}: it is not installed`, {
      code: "git.not-installed",
      hint: "Install git, or write the version of a ref yourself: git.REF=VERSION.",
      cause: error,
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

/** As `runGit`, for what must work. @throws Failure `git.failed` too */
export async function gitOutput(git: Git, run: GitRun): Promise<string> {
  const { code, stdout, complaint } = await runGit(git, run);
  if (code === 0) return stdout;
  const message = `git failed on the clone of ${redactUrl(git.url)}: ${complaint || `exit code ${code}`}`;
  throw new Failure("corrupt", message, {
    code: "git.failed",
    hint: "Delete the clone in the cache: it is made anew.",
    subject: redactUrl(git.url),
  });
}

const timeoutOf = ({ url, timeout }: Git): Failure =>
  new Failure("unavailable", `git took longer than ${timeout / 1000} s on ${redactUrl(url)}`, {
    code: "git.timeout",
    hint: "Try again, or write the version of a ref yourself: git.REF=VERSION.",
    subject: redactUrl(url),
  });

/** What a caller's environment may say of the transport; all else would point git at another repository. */
const transport = /^GIT_(SSH|SSL|HTTP|PROXY|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM)$)/;

function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith("GIT_") || transport.test(name),
  );
  // An empty GIT_ASKPASS also keeps git from core.askPass and SSH_ASKPASS.
  return {
    ...Object.fromEntries(kept),
    GIT_TERMINAL_PROMPT: "0",
    GIT_ASKPASS: "",
    SSH_ASKPASS: "",
    LC_ALL: "C",
  };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (systemCodeOf(error) !== "ESRCH") throw error;
  }
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

const complaintOf = (stderr: string, url: string): string =>
  stderr.trim().split("\n").slice(-2).join("; ").replaceAll(url, redactUrl(url)).slice(0, 500);
