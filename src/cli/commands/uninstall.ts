import { collect, type UninstallResult, uninstall } from "../../app/uninstall.js";
import { formatShort } from "../../spec/format-concrete.js";
import { type Answer, type CommandDefinition, examples } from "../command.js";
import { plural } from "../format.js";
import { specDocument } from "../spec-list.js";

export const uninstallCommand: CommandDefinition = {
  define(command) {
    command
      .argument("<specs...>", "packages to remove")
      .option("-R, --dependents", "remove the packages that need them, too")
      .option("--dry-run", "tell what would be removed");
    examples(command, [
      ["stowage uninstall /fnjwovn", "one package, unless others need it"],
      ["stowage uninstall --dependents zlib@1.2", "with all that needs it"],
    ]);
  },
  run: async ({ given, options }) =>
    answerOf(
      await uninstall(given.specs(0), {
        ...options,
        dependents: given.flag("dependents"),
        dryRun: given.flag("dryRun"),
      }),
    ),
};

export const gcCommand: CommandDefinition = {
  define(command) {
    command
      .option("-b, --keep-build-dependencies", "keep what was needed to build, too")
      .option("--dry-run", "tell what would be removed");
    examples(command, [["stowage gc", "remove what nothing that was asked for needs"]]);
  },
  run: async ({ given, options }) =>
    answerOf(
      await collect({
        ...options,
        keepBuildDependencies: given.flag("keepBuildDependencies"),
        dryRun: given.flag("dryRun"),
      }),
    ),
};

const answerOf = ({ root, plan: { removed }, dryRun }: UninstallResult): Answer => ({
  document: {
    store: root,
    dryRun,
    removed: removed.map(({ spec, path }) => ({ ...specDocument(spec), prefix: path })),
  },
  lines: (paint) => [
    ...removed.map(({ spec }) => `${paint("red", "[-]")} ${formatShort(spec)}`),
    `${dryRun ? "would remove" : "removed"} ${plural(removed.length, "package")}`,
  ],
});
