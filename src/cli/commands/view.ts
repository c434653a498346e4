import { Option } from "commander";
import { viewRemove, viewStatus } from "../../app/view-contents.js";
import { type ViewMethod, view } from "../../app/view.js";
import { Failure } from "../../base/failure.js";
import { type CommandDefinition, examples, repeatable } from "../command.js";
import { formatShort } from "../../spec/format-concrete.js";
import { plural } from "../format.js";
import type { Given } from "../given.js";
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
    const { plan, problems } = await view(given.argument(0), given.specs(1), {
      ...options,
      method,
      dependencies: dependenciesIn(given),
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

/** `-d false`: as Spack has it. */
const dependenciesIn = (given: Given): boolean =>
  ["true", "yes"].includes(given.text("dependencies") ?? "true");

export const viewRemoveCommand: CommandDefinition = {
  define(command) {
    command
      .argument("<dir>", "the view's directory")
      .argument("[specs...]", "packages of the view, and what needs them goes too")
      .option("-a, --all", "all that is in the view")
      .option("--no-remove-dependents", "refuse where something in the view needs them")
      .addOption(
        new Option("-d, --dependencies <yes>", "also what nothing else needs then (default: true)").choices([
          "true",
          "false",
          "yes",
          "no",
        ]),
      );
    examples(command, [
      ["stowage view remove /opt/tools hdf5", "with what only it needs"],
      ["stowage view rm --all /opt/tools", "empty it"],
    ]);
  },
  async run({ given, options }) {
    const specs = given.specs(1);
    const all = given.flag("all");
    if ((all === true) === specs.length > 0)
      throw new Failure("usage", "name packages, or give --all", { code: "cli.usage" });
    const result = await viewRemove(given.argument(0), specs, {
      ...options,
      all,
      dependents: given.flag("removeDependents"),
      dependencies: dependenciesIn(given),
    });
    const { root, removed, files, kept } = result;
    return {
      document: { root, removed: removed.map(specDocument), files, kept },
      lines: (paint) => [
        ...kept.map((name) => `${paint("yellow", "kept:")} ${name} (changed, or not the package's)`),
        `${plural(removed.length, "package")} (${plural(files, "file")}) taken out of ${root}`,
      ],
    };
  },
};

export const viewStatusCommand: CommandDefinition = {
  define(command) {
    command
      .argument("<dir>", "the view's directory")
      .argument("[specs...]", "only packages that match; all without");
    examples(command, [["stowage view status /opt/tools", "what is in it"]]);
  },
  async run({ given, options }) {
    const { root, packages } = await viewStatus(given.argument(0), given.specs(1), options);
    return {
      document: {
        root,
        packages: packages.map(({ name, spec }) => ({ name, spec: spec && specDocument(spec) })),
      },
      *lines(paint) {
        for (const { name, spec } of packages)
          yield spec === undefined
            ? `${paint("yellow", name)} is not installed any more: its links lead nowhere`
            : formatShort(spec);
        yield `${plural(packages.length, "package")} in ${root}`;
      },
    };
  },
};

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new Failure("usage", `--exclude ${text} is no regular expression`, { code: "cli.usage", cause });
  }
}
