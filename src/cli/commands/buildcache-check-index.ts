import { checkIndex } from "../../app/check-index.js";
import { Failure } from "../../base/failure.js";
import { type CommandDefinition, examples, repeatable } from "../command.js";

const parts: readonly string[] = ["exists", "manifests", "blobs", "all"];

export const buildcacheCheckIndex: CommandDefinition = {
  define(command) {
    command
      .argument("<mirror>", "name of a mirror, or a URL")
      .argument("[what...]", "more to verify, as Spack takes it: `--verify manifests blobs`")
      .addOption(
        repeatable("--verify <what>", "what to look at, too: the packages always are (repeatable)", parts),
      )
      .option("-n, --name <view>", "look at a view's index instead of that of all packages")
      .option("-o, --output <file>", "write what was found there, as JSON");
    examples(command, [
      ["stowage buildcache check-index cache", "exit code 1 where the index is not right"],
      ["stowage buildcache check-index --verify blobs cache", "and the files of all packages"],
    ]);
  },
  async run({ given, options }) {
    const words = [given.argument(0), ...given.rest(1)];
    const [first = "", ...others] = words.filter((word) => words.length === 1 || !parts.includes(word));
    if (others.length > 0)
      throw new Failure(
        "usage",
        `"${others[0]}" is nothing to verify, and one mirror is looked at at a time`,
        {
          code: "cli.usage",
          hint: `To be verified: ${parts.join(", ")}.`,
        },
      );
    const verify = [...given.texts("verify"), ...words];
    const result = await checkIndex(first, {
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
