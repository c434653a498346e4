import { location } from "../../app/location.js";
import { accept, type CommandDefinition, examples, refuse } from "../command.js";

export const locationCommand: CommandDefinition = {
  define(command) {
    command.argument("<spec...>", "an installed package");
    accept(command, ["-i, --install-dir"]);
    const recipes = "stowage knows installed packages only, no recipes and no stages";
    refuse(
      command,
      ["--package-dir", "--stage-dir", "--source-dir", "--build-dir", "--module-dir"].map(
        (flag) => [flag, recipes] as const,
      ),
    );
    examples(command, [
      ["stowage location -i zlib", "its prefix"],
      ['cd "$(stowage location /7i7xbvp)"', "go there"],
    ]);
  },
  async run({ given, options }) {
    const prefix = await location(given.rest(0).join(" "), options);
    return { document: { prefix }, lines: () => [prefix] };
  },
};
