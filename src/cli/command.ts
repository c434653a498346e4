import { type Command, InvalidArgumentError, Option } from "commander";
import type { StowageOptions } from "../app/context.js";
import { Failure } from "../base/failure.js";
import type { Given } from "./given.js";
import type { Style, Terminal } from "./terminal.js";

/** One command of the command line: what it takes, and what it does with that. */
export interface CommandDefinition {
  /** Adds arguments, options and, with `examples()`, examples. */
  define(command: Command): void;
  run(call: Invocation): Promise<Answer>;
}

export interface Invocation {
  /** Arguments and options of the command itself. */
  readonly given: Given;
  /** What every verb takes: the global options, a signal, and someone to report to. */
  readonly options: StowageOptions;
  readonly terminal: Terminal;
}

/** What a command has to say: the same in both forms. */
export interface Answer {
  /** The document of `--json`, without its `schema`. */
  readonly document: object;
  /** Lines for people. */
  lines(paint: (style: Style, text: string) => string): Iterable<string>;
  /** Set where some of the work failed: the answer is shown, and the exit code says so. */
  readonly failure?: Failure | undefined;
  /** Another exit code than a failure's: `0` where nothing is said. */
  readonly exitCode?: number | undefined;
}

/** Commands appear in `--help` in this order; their code is loaded when they are called. */
export interface CommandEntry {
  readonly path: readonly [string] | readonly [string, string];
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** Left out of the list of commands: Spack has it, and here it says why there is none. */
  readonly hidden?: boolean;
  load(): Promise<CommandDefinition>;
}

/** Adds examples below a command's help: lines of command and comment. */
export function examples(command: Command, lines: readonly (readonly [string, string])[]): void {
  const width = Math.max(...lines.map(([line]) => line.length));
  command.addHelpText(
    "after",
    `\nExamples:\n${lines.map(([line, what]) => `  ${line.padEnd(width)}  # ${what}`).join("\n")}`,
  );
}

/** Why options and commands that are known are refused. */
export const refusals = new WeakMap<Option | Command, string>();

/** Options that are taken, and change nothing. */
export const accepted = new WeakSet<Option>();

/** Spack's options that cannot be honoured here: refused, saying why, instead of unknown. */
export function refuse(
  command: Command,
  options: readonly (readonly [flags: string, reason: string])[],
): void {
  for (const [flags, reason] of options) {
    const option = new Option(flags).hideHelp();
    command.addOption(option);
    refusals.set(option, reason);
    command.on(`option:${option.name()}`, () => {
      throw new Failure("unsupported", `${option.long} cannot be used: ${reason}`, {
        code: "cli.option-refused",
        hint: "docs/spack-differences.md lists what is different.",
      });
    });
  }
}

/** Spack's options that ask for what is done anyway. */
export function accept(command: Command, flags: readonly string[]): void {
  for (const one of flags) {
    const option = new Option(one).hideHelp();
    command.addOption(option);
    accepted.add(option);
  }
}

/** An option that may be given more than once, each time with one of `choices`, if there are any. */
export function repeatable(flags: string, description: string, choices?: readonly string[]): Option {
  const option = new Option(flags, description);
  if (choices !== undefined) option.choices(choices);
  return option.argParser((value: string, before: string[] | undefined) => {
    if (choices?.includes(value) === false)
      throw new InvalidArgumentError(`Allowed choices are ${choices.join(", ")}.`);
    return [...(before ?? []), value];
  });
}
