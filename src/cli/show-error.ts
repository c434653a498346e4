import { exitCodes, Failure } from "../base/failure.js";
import type { Terminal } from "./terminal.js";

/** EX_SOFTWARE of sysexits.h: an error that is ours. */
const bugExitCode = 70;

/** Shows what ended a command; undefined: nothing did. Returns the exit code. */
export function showError(
  error: unknown,
  { terminal, json, verbose }: { terminal: Terminal; json: boolean; verbose: boolean },
): number {
  if (error === undefined) return 0;
  const { err, paintErr } = terminal;
  if (json) {
    const shown =
      error instanceof Failure
        ? error.toJSON()
        : {
            code: "bug",
            kind: "bug",
            message: String(error),
            hint: "Please report it, with the lines on stderr.",
          };
    terminal.out(`${JSON.stringify({ schema: "stowage.error/1", error: shown })}\n`);
  } else if (error instanceof Failure) {
    err(`${paintErr("red", "error:")} ${error.message}\n`);
    if (verbose) for (const cause of causesOf(error)) err(`${paintErr("dim", "caused by:")} ${cause}\n`);
    if (error.hint !== undefined) err(`${paintErr("cyan", "hint:")} ${error.hint}\n`);
  }
  if (error instanceof Failure) return exitCodes[error.kind];
  err(
    `${paintErr("red", "This is a bug in stowage.")} Please report it, with the command and the lines below.\n`,
  );
  err(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return bugExitCode;
}

/** Each error below this one, in one line; a chain that bites its tail ends. */
function causesOf(error: Failure): readonly string[] {
  const causes: string[] = [];
  const seen = new Set<unknown>([error]);
  for (let at = error.cause; at !== undefined && !seen.has(at); ) {
    seen.add(at);
    causes.push(at instanceof Error ? `${at.name}: ${at.message}` : String(at));
    at = at instanceof Error ? at.cause : undefined;
  }
  return causes;
}
