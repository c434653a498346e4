import { Command } from "commander";
import { accept, type CommandDefinition, type CommandEntry } from "./command.js";
import { acceptedByGroup, commands, groups } from "./commands.js";
import { addGlobalOptions } from "./globals.js";

export interface ProgramOptions {
  readonly version: string;
  /** Shows help that is printed because something is missing. */
  readonly onHelp: (text: string) => void;
  run(entry: CommandEntry, definition: CommandDefinition, command: Command): Promise<void>;
}

export interface Program {
  /** The tree of commands. */
  readonly root: Command;
  /** Adds a command's own arguments and options: done before it is parsed, not for the others. */
  load(command: Command): Promise<void>;
}

export function createProgram({ version, onHelp, run }: ProgramOptions): Program {
  const program = new Command("stowage")
    .description("Puts Spack's binaries into any container registry and takes them out again.")
    .usage("[options] <command>")
    .helpCommand(false)
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    // Errors are shown once, in one form, when they arrive at runCommandLine().
    .configureOutput({ writeErr: onHelp, outputError: () => {} })
    .configureHelp({
      subcommandTerm: (command) => [command.name(), ...command.aliases()].join(", "),
    })
    .version(version, "-V, --version", "print the version");
  addGlobalOptions(program, { hidden: false });
  const entries = new Map<Command, CommandEntry>();
  const load = async (called: Command): Promise<void> => {
    const entry = entries.get(called);
    if (entry === undefined) return;
    entries.delete(called);
    const definition = await entry.load();
    definition.define(called);
    addGlobalOptions(called, { hidden: true });
    called
      .addHelpText("after", "\nGlobal options: see `stowage --help`.")
      .action(() => run(entry, definition, called));
  };
  const loadCalled = (_: Command, called: Command): Promise<void> => load(called);
  program.hook("preSubcommand", loadCalled);
  const parents = new Map<string, Command>();
  for (const entry of commands) {
    const [first, second] = entry.path;
    let parent = second === undefined ? program : parents.get(first);
    if (parent === undefined) {
      parent = createGroup(program, first).hook("preSubcommand", loadCalled);
      parents.set(first, parent);
    }
    const command = parent
      .command(second ?? first, { hidden: entry.hidden === true })
      .description(entry.summary)
      .aliases([...(entry.aliases ?? [])]);
    entries.set(command, entry);
    // A command may have others below it: `sbom`, `sbom attach`.
    if (second === undefined) parents.set(first, command.hook("preSubcommand", loadCalled));
  }
  return { root: program, load };
}

function createGroup(program: Command, name: string): Command {
  const group = program
    .command(name)
    .description(groups[name] ?? "")
    .usage("<command> [options]")
    .helpCommand(false)
    .enablePositionalOptions();
  accept(group, acceptedByGroup[name] ?? []);
  addGlobalOptions(group, { hidden: true });
  return group;
}
