import { removeMirror } from "../../app/mirror.js";
import { type CommandDefinition, examples } from "../command.js";

export const mirrorRemove: CommandDefinition = {
  define(command) {
    command
      .argument("<mirror>", "its name")
      .option("--all-scopes", "remove it from all scopes (else from the strongest that has it)");
    examples(command, [["stowage mirror remove cache", "packages in it stay where they are"]]);
  },
  async run({ given, options }) {
    const removed = await removeMirror(given.argument(0), {
      ...options,
      allScopes: given.flag("allScopes"),
    });
    return {
      document: { removed },
      lines: () => removed.map(({ name, scope, file }) => `removed mirror ${name} (scope ${scope}, ${file})`),
    };
  },
};
