import { type CommandDefinition, examples, refuse } from "../command.js";
import type { Given } from "../given.js";
import { installCommand } from "./install.js";

export const buildcacheInstall: CommandDefinition = {
  define(command) {
    command
      .argument("<specs...>", "hdf5+mpi, /HASH, NAME-VERSION-HASH")
      .option("-f, --force", "install again what is installed")
      .option("-u, --unsigned", "install what should be signed without checking signatures")
      .option("-o, --otherarch", "packages may be for another machine than this one");
    refuse(command, [["-m, --multiple", "of what matches the best is installed; name others by /HASH"]]);
    examples(command, [
      ["stowage buildcache install -f /7i7xbvp", "as `stowage install --overwrite /7i7xbvp`"],
    ]);
  },
  run: (invocation) => installCommand.run({ ...invocation, given: asInstall(invocation.given) }),
};

const asInstall = (given: Given): Given => ({
  ...given,
  flag(option) {
    if (option === "overwrite") return given.flag("force");
    if (option === "hostCompatible") return given.flag("otherarch") === true ? false : undefined;
    return given.flag(option);
  },
});
