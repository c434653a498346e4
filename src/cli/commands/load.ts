import { load, shells } from "../../app/load.js";
import { Failure } from "../../base/failure.js";

import { type CommandDefinition, examples } from "../command.js";

export const loadCommand: CommandDefinition = {
  define(command) {
    command.argument("<specs...>", "installed packages, one each");
    for (const shell of shells) command.option(`--${shell}`, `commands for ${shell}`);
    examples(command, [
      ["stowage load --fish greet | source", "in fish"],
      ['eval "$(stowage load --sh greet)"', "in sh, bash and zsh"],
      ["eval `stowage load --csh greet`", "in csh and tcsh"],
    ]);
  },
  async run({ given, options }) {
    const [shell, another] = shells.filter((one) => given.flag(one) === true);
    if (shell === undefined || another !== undefined)
      throw new Failure("usage", "load prints commands for one shell", {
        code: "cli.usage",
        hint: 'Run eval "$(stowage load --sh SPEC)", or give --csh or --fish.',
      });
    const { packages, commands, environment } = await load(given.specs(0), { ...options, shell });
    return {
      document: {
        loaded: packages.map(({ name, version, hash }) => ({ name, version, hash })),
        environment: Object.fromEntries(environment),
        commands,
      },
      lines: () => (commands === "" ? [] : [commands.replace(/\n$/, "")]),
    };
  },
};
