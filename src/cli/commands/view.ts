import { Option } from "commander";
import { type ViewMethod, view } from "../../app/view.js";
import { Failure } from "../../base/failure.js";
import { type CommandDefinition, examples, repeatable } from "../command.js";
import { plural } from "../format.js";
import { specDocument } from "../spec-list.js";

const viewCommand = (method: ViewMethod, what: string): CommandDefinition => ({
  define(command) {
    command
      .argument("<dir>", "the view's directory, which need not exist")
      .argument("<specs...>", "installed packages, one each")
      .addOption(repeatable("-x, --exclude <pattern>", "leave out packages whose names match (repeatable)"))
      .addOption(
        new Option("-d, --dependencies <yes>", "also what they need to run (default: true)").choices([
          "true",
          "false",
          "yes",
          "no",
        ]),
      )
      .option("-i, --ignore-conflicts", "where two have something at one path, the first keeps it");
    examples(command, [
      [`stowage view ${method} /opt/tools greet hdf5`, what],
      [`stowage view ${method} -x '^gcc' ./view greet`, "without some of what it needs"],
    ]);
  },
  async run({ given, options }) {
    const dependencies = given.text("dependencies");
    const { plan, problems } = await view(given.argument(0), given.specs(1), {
      ...options,
      method,
      dependencies: dependencies === undefined || dependencies === "true" || dependencies === "yes",
      exclude: given.texts("exclude").map(patternOf),
      ignoreConflicts: given.flag("ignoreConflicts"),
    });
    const { root, added, packages, entries } = plan;
    return {
      document: {
        root,
        method,
        added: added.map(({ spec, prefix }) => ({ ...specDocument(spec), prefix })),
        files: entries.length,
        problems,
      },
      lines: (paint) => [
        ...problems.map(({ name, text }) => `${paint("yellow", "not relocated:")} ${name} (${text})`),
        `${plural(added.length, "package")} (${plural(entries.length, "file")}) put into ${root}, ${packages.length - added.length} there already`,
      ],
    };
  },
});

export const viewSymlink = viewCommand("symlink", "links to what is installed");
export const viewHardlink = viewCommand("hardlink", "the same files under further names");
export const viewCopy = viewCommand("copy", "copies that name the view instead of their packages");

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new Failure("usage", `--exclude ${text} is no regular expression`, { code: "cli.usage", cause });
  }
}
