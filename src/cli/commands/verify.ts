import { verify } from "../../app/verify.js";
import { Failure } from "../../base/failure.js";
import { type CommandDefinition, examples } from "../command.js";
import { plural } from "../format.js";
import { specDocument } from "../spec-list.js";

export const verifyCommand: CommandDefinition = {
  define(command) {
    command
      .argument("[specs...]", "only packages that match one of these")
      .option("-a, --all", "all that is installed (which is what is verified without specs)");
    examples(command, [
      ["stowage verify", "all files of all packages"],
      ["stowage verify hdf5", "of one package"],
    ]);
  },
  async run({ given, options }) {
    const verified = await verify(given.specs(0), options);
    const files = verified.reduce(
      (sum, { result }) => sum + (result.type === "checked" ? result.files : 0),
      0,
    );
    const wrong = verified.flatMap(({ spec, prefix, result }) =>
      result.type === "checked"
        ? result.deviations.map(({ path, differences }) => ({
            package: spec.name,
            path,
            differences: [...differences],
          }))
        : [
            {
              package: spec.name,
              path: prefix,
              differences: [result.type === "no-prefix" ? "missing" : "no manifest"],
            },
          ],
    );
    return {
      document: {
        packages: verified.map(({ spec, prefix }) => ({ ...specDocument(spec), prefix })),
        files,
        wrong,
      },
      lines: (paint) => [
        ...wrong.map(({ path, differences }) => `${paint("red", "[x]")} ${path}: ${differences.join(", ")}`),
        `verified ${plural(verified.length, "package")}, ${plural(files, "file")}: ${
          wrong.length === 0 ? "all as installed" : `${wrong.length} not as installed`
        }`,
      ],
      failure:
        wrong.length === 0
          ? undefined
          : new Failure("corrupt", `${plural(wrong.length, "path")} not as installed`, {
              code: "verify.different",
              hint: "`stowage install --overwrite /HASH` installs a package again.",
            }),
    };
  },
};
