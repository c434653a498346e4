import { Failure } from "../../base/failure.js";
import { type CommandDefinition, examples, refusals } from "../command.js";

/** A command of Spack's that says, however it is called, why it is not here. */
const refused = (
  name: string,
  { reason, hint, instead }: { reason: string; hint: string; instead: readonly [string, string] },
): CommandDefinition => ({
  define(command) {
    refusals.set(command, reason);
    command.argument("[words...]").allowUnknownOption();
    command.addHelpText("after", `\nNot here: ${reason}. ${hint}`);
    examples(command, [instead]);
  },
  async run() {
    throw new Failure("unsupported", `${name} is not here: ${reason}`, { code: "cli.command-refused", hint });
  },
});

export const mirrorCreate = refused("mirror create", {
  reason: "where sources come from is told by recipes, which only Spack reads",
  hint: "Run `spack mirror create`.",
  instead: ["stowage buildcache push ./mirror hdf5", "binaries into a folder"],
});

export const mirrorDestroy = refused("mirror destroy", {
  reason: "it deletes all that a mirror has, and what else is in its repository",
  hint: "Delete the repository where it is kept, then run `stowage mirror remove NAME`.",
  instead: ["stowage mirror remove cache", "out of the configuration"],
});
