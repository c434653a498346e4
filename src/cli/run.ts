import { type Command, CommanderError } from "commander";
import { exitCodes, Failure, interrupted } from "../base/failure.js";
import type { Report } from "../base/progress.js";
import type { CommandDefinition, CommandEntry } from "./command.js";
import { givenOf } from "./given.js";
import { type Globals, globalsOf } from "./globals.js";
import { createProgram } from "./program.js";
import { showError } from "./show-error.js";
import { type ColorChoice, openTerminal, type Terminal } from "./terminal.js";

/** Parses the command line, runs the command, prints what it has to say, and ends the process. */
export async function runCommandLine(
  argv: readonly string[],
  { version }: { readonly version: string },
): Promise<void> {
  ignoreClosedPipe();
  const stop = stopOnSignals();
  // Until the command line is parsed, how to show an error in it can only be guessed from its words.
  const early = guess(argv);
  let terminal = openTerminal(process, { color: early.color, env: process.env });
  let { json, verbose } = early;
  const words = argv[0] === "help" ? [...argv.slice(1), "--help"] : argv;
  const program = createProgram({
    version,
    onHelp: (text) => terminal.err(text),
    async run(entry, definition, command) {
      const globals = globalsOf(command);
      ({ json, verbose } = globals);
      terminal = openTerminal(process, { color: globals.color, env: process.env });
      return runCommand(entry, definition, { command, globals, terminal, signal: stop.signal });
    },
  });
  try {
    if (argv[0] === "__complete") {
      const { complete } = await import("./complete.js");
      for (const line of await complete(program, argv.slice(1))) terminal.out(`${line}\n`);
    } else await program.root.parseAsync([...words], { from: "user" });
  } catch (error) {
    process.exitCode = showError(parseError(error), { terminal, json, verbose });
  }
  await new Promise((resolve) => process.stdout.write("", resolve));
  // Idle connections and worker threads are of no use any more.
  process.exit();
}

async function runCommand(
  entry: CommandEntry,
  definition: CommandDefinition,
  call: {
    readonly command: Command;
    readonly globals: Globals;
    readonly terminal: Terminal;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { command, globals, terminal } = call;
  const progress = await openProgress(globals, terminal);
  const answer = await definition
    .run({
      given: givenOf(command, command.opts()),
      options: { ...globals.stowage, signal: call.signal, report: progress?.report },
      terminal,
    })
    .finally(() => progress?.close());
  if (globals.json) {
    const schema = `stowage.${entry.path.join("-")}/1`;
    terminal.out(`${JSON.stringify({ schema, ...answer.document })}\n`);
  } else writeLines(answer.lines(terminal.paintOut), terminal);
  if (answer.failure !== undefined) {
    // In the JSON form the document already tells what failed; a second one would make stdout unreadable.
    process.exitCode = globals.json
      ? exitCodes[answer.failure.kind]
      : showError(answer.failure, { terminal, json: false, verbose: globals.verbose });
  } else if (answer.exitCode !== undefined) process.exitCode = answer.exitCode;
}

/** Each write is a system call: that many characters go by one. */
const writtenAtOnce = 64 * 1024;

function writeLines(lines: Iterable<string>, terminal: Terminal): void {
  let text = "";
  for (const line of lines) {
    text += `${line}\n`;
    if (text.length < writtenAtOnce) continue;
    terminal.out(text);
    text = "";
  }
  if (text !== "") terminal.out(text);
}

/** Progress goes to stderr, so that it may be there beside `--json`; for scripts, only where a person watches. */
async function openProgress(
  { quiet, json, verbose }: Globals,
  terminal: Terminal,
): Promise<{ report: Report; close(): void } | undefined> {
  if (quiet || (json && !terminal.isTty.err)) return undefined;
  const { createProgress } = await import("./progress.js");
  return createProgress(terminal, { verbose });
}

/** What commander throws, as the project's own failure; undefined for help and version, which are no errors. */
function parseError(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  if (error.exitCode === 0) return undefined;
  if (error.code === "commander.help")
    return new Failure("usage", "a command is missing", {
      code: "cli.usage",
      hint: "The commands are listed above; each has --help.",
    });
  const [message = "", guessed] = error.message.replace(/^error: /, "").split("\n");
  return new Failure("usage", message, {
    code: "cli.usage",
    hint: guessed === undefined ? "`--help` shows what there is." : guessed.replace(/^\((.*)\)$/, "$1"),
  });
}

/** The words before `--` that decide how errors look. */
function guess(argv: readonly string[]): { json: boolean; verbose: boolean; color: ColorChoice } {
  const end = argv.indexOf("--");
  const words = end < 0 ? argv : argv.slice(0, end);
  const at = words.indexOf("--color");
  const color = at < 0 ? words.find((word) => word.startsWith("--color="))?.slice(8) : words[at + 1];
  return {
    json: words.includes("--json"),
    verbose: words.includes("--verbose") || words.includes("-v"),
    color: color === "always" || color === "never" ? color : "auto",
  };
}

/** The first signal ends what is under way in good order, the second ends the process. */
function stopOnSignals(): AbortController {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(exitCodes.interrupted);
      if (process.stderr.isTTY) process.stderr.write("\nstopping; once more ends it at once\n");
      controller.abort(interrupted());
    });
  return controller;
}

/** A reader that has seen enough (`| head`) is no error. */
function ignoreClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      process.exit();
    });
}
