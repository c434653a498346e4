import { checkIndex } from "../../app/check-index.js";
import { type CommandDefinition, examples, repeatable } from "../command.js";

export const buildcacheCheckIndex: CommandDefinition = {
  define(command) {
    command
      .argument("<mirror>", "name of a mirror, or a URL")
      .addOption(
        repeatable("--verify <what>", "what to look at, too: the packages always are (repeatable)", [
          "exists",
          "manifests",
          "blobs",
          "all",
        ]),
      )
      .option("-n, --name <view>", "look at a view's index instead of that of all packages")
      .option("-o, --output <file>", "write what was found there, as JSON");
    examples(command, [
      ["stowage buildcache check-index cache", "exit code 1 where the index is not right"],
      ["stowage buildcache check-index --verify blobs cache", "and the files of all packages"],
    ]);
  },
  async run({ given, options }) {
    const verify = given.texts("verify");
    const result = await checkIndex(given.argument(0), {
      ...options,
      blobs: verify.includes("blobs") || verify.includes("all"),
      view: given.text("name"),
      output: given.text("output"),
    });
    const { mirror, exists, missing, unindexed, broken } = result;
    const right = exists && missing.length + unindexed.length + (broken?.length ?? 0) === 0;
    return {
      document: result,
      lines: () => [
        exists ? `${mirror} has an index` : `${mirror} has no index`,
        `unindexed packages: ${unindexed.length}`,
        `missing packages: ${missing.length}`,
        ...(broken === undefined ? [] : [`broken packages: ${broken.length}`]),
      ],
      exitCode: right ? undefined : 1,
    };
  },
};
