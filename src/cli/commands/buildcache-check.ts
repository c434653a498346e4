import { checkMirrors } from "../../app/buildcache-check.js";
import { type CommandDefinition, examples } from "../command.js";
import { plural } from "../format.js";

export const buildcacheCheck: CommandDefinition = {
  define(command) {
    command
      .argument("[specs...]", "installed packages (else all of --env)")
      .option("-m, --mirror-url <mirror>", "only this mirror, a name or a URL (else all)")
      .option("-o, --output-file <file>", "write what must be built there, as JSON");
    examples(command, [
      ["stowage buildcache check --env .", "exit code 1 where a mirror lacks anything"],
      ["stowage buildcache check -m ci -o rebuild.json hdf5", "one mirror, and a file for a pipeline"],
    ]);
  },
  async run({ given, options }) {
    const result = await checkMirrors(given.specs(0), {
      ...options,
      mirror: given.text("mirrorUrl"),
      outputFile: given.text("outputFile"),
    });
    return {
      document: result,
      *lines(paint) {
        for (const { mirror, missing } of result.mirrors) {
          for (const { name, version, hash } of missing)
            yield `${paint("yellow", `not in ${mirror}:`)} ${name}@${version}/${hash.slice(0, 7)}`;
          yield `${mirror}: ${plural(result.packages - missing.length, "package")} of ${result.packages}`;
        }
      },
      exitCode: result.mirrors.some(({ missing }) => missing.length > 0) ? 1 : undefined,
    };
  },
};
