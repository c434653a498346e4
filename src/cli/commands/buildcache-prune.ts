import { type PrunedPackage, pruneMirror } from "../../app/prune.js";
import { type CommandDefinition, examples, repeatable } from "../command.js";
import { formatSize, plural } from "../format.js";
import { addSigningOptions, signingOptions } from "../signing-options.js";

export const buildcachePrune: CommandDefinition = {
  define(command) {
    command
      .argument("<mirror>", "name of a mirror, or a URL")
      .addOption(
        repeatable(
          "--keep-env <env>",
          "keep what this environment's lockfile names: a folder or a name (repeatable)",
        ),
      )
      .option("-k, --keeplist <file>", "keep the packages whose hashes are in this file, one a line")
      .option("--keep-last <n>", "keep so many packages of each name: those pushed last")
      .option("--older-than <age>", "keep what was pushed since: 12h, 30d, 2w, 6m, 1y")
      .option("--with-build-dependencies", "keep what kept packages were built with, too")
      .option("--grace <age>", "in a mirror of files, how long what nothing names stays (else 1d)")
      .option("-j, --jobs <n>", "how many requests at once")
      .option("--dry-run", "tell what would go, and change nothing");
    command.addHelpText(
      "after",
      [
        "",
        "A package stays if any rule keeps it, or if one that stays links to it or runs it. Without a rule only what",
        "was left behind goes: in registries signatures whose packages are gone, in mirrors of files blobs that",
        "nothing names and packages whose blobs are missing. Images and other tags that are no packages always stay.",
      ].join("\n"),
    );
    addSigningOptions(command);
    command.option("-u, --unsigned", "leave the index of a mirror of signed packages without a signature");
    examples(command, [
      ["stowage buildcache prune --keep-env . --dry-run ci", "what the environment here does not need"],
      ["stowage buildcache prune --keep-env . --older-than 30d ci", "of that what is older than 30 days"],
      ["stowage buildcache prune --keep-last 2 ci", "two of each package"],
    ]);
  },
  async run({ given, options, terminal }) {
    const result = await pruneMirror(given.argument(0), {
      ...options,
      ...signingOptions(given, terminal),
      unsigned: given.flag("unsigned"),
      keepEnvironments: given.texts("keepEnv"),
      keepList: given.text("keeplist"),
      keepLast: given.count("keepLast"),
      olderThan: given.text("olderThan"),
      grace: given.text("grace"),
      withBuildDependencies: given.flag("withBuildDependencies"),
      dryRun: given.flag("dryRun"),
      jobs: given.count("jobs"),
    });
    const { removed, undated, restored, kept, companions, orphans, blobs, bytes, broken, index, dryRun } =
      result;
    for (const { name, failure } of broken) terminal.err(`left alone: ${name}: ${failure.message}\n`);
    if (undated.length > 0)
      terminal.err(`${plural(undated.length, "package")} kept, as nothing tells when they were pushed\n`);
    return {
      document: result,
      *lines(paint) {
        const shown = (one: PrunedPackage): string => `${one.name}@${one.version}/${one.hash.slice(0, 7)}`;
        for (const one of removed) yield `${paint("yellow", dryRun ? "would go" : "removed")} ${shown(one)}`;
        for (const path of orphans)
          yield `${paint("yellow", dryRun ? "would go" : "removed")} ${path}, whose blobs are missing`;
        for (const one of restored)
          yield `${paint("green", "put back")} ${shown(one)}, which a package pushed meanwhile needs`;
        yield [
          `${plural(removed.length, "package")} ${dryRun ? "would go" : "removed"}`,
          `${kept} kept`,
          ...(companions > 0 ? [`${plural(companions, "signature")} of what is gone`] : []),
          `${plural(blobs, "blob")} (${formatSize(bytes)}) no longer needed`,
        ].join(", ");
        if (index !== undefined)
          yield `index: ${plural(index.packages, "package")}, ${index.written ? "written" : "up to date"}`;
      },
    };
  },
};
