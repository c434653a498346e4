import { collect, type UninstallResult, uninstall } from "../../app/uninstall.js";
import { Failure } from "../../base/failure.js";
import { formatShort } from "../../spec/format-concrete.js";
import { type Answer, accept, type CommandDefinition, examples } from "../command.js";
import { plural } from "../format.js";
import { specDocument } from "../spec-list.js";

export const uninstallCommand: CommandDefinition = {
  define(command) {
    command
      .argument("[specs...]", "installed packages, one each")
      .option("-a, --all", "all that match a spec; without specs all there is")
      .option("-R, --dependents", "what needs them, too")
      .option("-f, --force", "even if other packages need them, which then break")
      .option("--dry-run", "tell what would be done");
    accept(command, ["-y, --yes-to-all"]);
    examples(command, [
      ["stowage uninstall greet", "what it needs stays; `stowage gc` removes that"],
      ["stowage uninstall --dependents zlib@1.2.13", "with all that needs it"],
      ["stowage uninstall --all --dry-run hdf5", "what would go"],
    ]);
  },
  async run({ given, options }) {
    const specs = given.specs(0);
    const all = given.flag("all");
    if (specs.length === 0 && all !== true)
      throw new Failure("usage", "no package to uninstall was named", {
        code: "cli.usage",
        hint: "`stowage uninstall --all` removes all there is.",
      });
    const result = await uninstall(specs, {
      ...options,
      all,
      dependents: given.flag("dependents"),
      force: given.flag("force"),
      dryRun: given.flag("dryRun"),
    });
    return answerOf(result);
  },
};

export const gcCommand: CommandDefinition = {
  define(command) {
    command
      .option("-b, --keep-build-dependencies", "keep what explicit packages were built with")
      .option("--dry-run", "tell what would be done");
    accept(command, ["-y, --yes-to-all"]);
    examples(command, [
      ["stowage gc", "what came along and is needed no more"],
      ["stowage gc --dry-run", "what would go"],
    ]);
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

function answerOf({ root, plan, dryRun }: UninstallResult): Answer {
  const { removed, protectedBy, force } = plan;
  return {
    document: {
      store: root,
      dryRun,
      removed: removed.map(({ spec, path }) => ({ ...specDocument(spec), prefix: path })),
      neededBy: Object.fromEntries(
        [...protectedBy].map(([{ hash }, users]) => [hash, users.map((spec) => spec.hash)]),
      ),
    },
    *lines(paint) {
      for (const { spec, path } of removed)
        yield `${dryRun ? "would uninstall" : paint("green", "uninstalled")} ${formatShort(spec)}  ${path ?? ""}`;
      for (const [{ hash }, users] of protectedBy)
        yield `${paint("yellow", force ? "broken:" : "needed:")} /${hash.slice(0, 7)} by ${users.map((spec) => formatShort(spec)).join(", ")}`;
      yield removed.length === 0
        ? "nothing to remove: all that is installed is needed"
        : `${plural(removed.length, "package")} ${dryRun ? "to uninstall" : "uninstalled"}`;
    },
  };
}
