import { migrate } from "../../app/migrate.js";
import { accept, type CommandDefinition, examples, refuse } from "../command.js";
import { plural } from "../format.js";
import { copyFailure } from "./buildcache-sync.js";

export const buildcacheMigrate: CommandDefinition = {
  define(command) {
    command
      .argument("<mirror>", "name of a mirror, or a URL: with packages of Spack before 1.0")
      .option("-u, --unsigned", "look at no signatures, and write none")
      .option("-j, --jobs <n>", "how many packages to copy at once");
    accept(command, ["-y, --yes-to-all"]);
    refuse(command, [
      ["-d, --delete-existing", "remove the folder build_cache yourself once all clients read layout 3"],
    ]);
    examples(command, [
      ["stowage buildcache migrate --unsigned old", "older Spacks go on reading what was there"],
    ]);
  },
  async run({ given, options }) {
    const unsigned = given.flag("unsigned");
    const result = await migrate(given.argument(0), {
      ...options,
      unsigned,
      checkSignature: unsigned === true ? false : options.checkSignature,
      jobs: given.count("jobs"),
    });
    const { copied, present, failed } = result;
    return {
      document: result,
      lines: () => [
        `${plural(copied.length, "package")} migrated, ${present.length} there already, ${failed.length} failed`,
      ],
      failure: copyFailure(result),
    };
  },
};
