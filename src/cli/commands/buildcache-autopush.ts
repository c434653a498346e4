import { type AutopushResult, autopush } from "../../app/autopush.js";
import type { Failure } from "../../base/failure.js";
import { type CommandDefinition, examples } from "../command.js";
import { failedPart } from "../failed-part.js";
import { formatSize, plural } from "../format.js";

export const buildcacheAutopush: CommandDefinition = {
  define(command) {
    command
      .argument("[specs...]", "installed packages (else those of --env, else all that were asked for)")
      .option("--update-index", "renew the indices afterwards")
      .option("--with-build-dependencies", "push what was needed to build, too")
      .option("--private", "push what its recipe forbids to redistribute, too")
      .option("-j, --jobs <n>", "how many packages to pack and upload at once")
      .option("--sysroot <dir>", "the store's paths are below this folder");
    examples(command, [
      ["stowage buildcache autopush hdf5", "after `spack install hdf5`: what was built, with what it needs"],
      ["stowage mirror set --autopush cache", "a mirror that is pushed to"],
    ]);
  },
  async run({ given, options, terminal }) {
    const mirrors = await autopush({
      ...options,
      specs: given.specs(0),
      updateIndex: given.flag("updateIndex"),
      withBuildDependencies: given.flag("withBuildDependencies"),
      private: given.flag("private"),
      jobs: given.count("jobs"),
      sysroot: given.text("sysroot"),
    });
    return {
      document: { mirrors },
      *lines(paint) {
        if (mirrors.length === 0)
          terminal.err("No mirror has autopush set: `stowage mirror set --autopush NAME` does.\n");
        for (const { mirror, pushed, present, failed, failure } of mirrors) {
          const bytes = pushed.reduce((sum, { size }) => sum + size, 0);
          yield failure !== undefined
            ? `${mirror}: ${paint("red", "failed")}`
            : [
                `${mirror}: ${plural(pushed.length, "package")} pushed${bytes > 0 ? ` (${formatSize(bytes)})` : ""}`,
                `${present.length} there already`,
                ...(failed.length > 0 ? [`${failed.length} failed`] : []),
              ].join(", ");
        }
      },
      failure: failureOf(mirrors),
    };
  },
};

function failureOf(mirrors: readonly AutopushResult[]): Failure | undefined {
  const failures = mirrors.flatMap(({ mirror, failed, failure }) =>
    [...failed.map((one) => one.failure), ...(failure === undefined ? [] : [failure])].map((one) => ({
      mirror,
      failure: one,
    })),
  );
  const [first] = failures;
  if (first === undefined) return undefined;
  return failedPart({
    failures: failures.map(({ failure }) => failure),
    done: mirrors.some(({ pushed, present }) => pushed.length + present.length > 0),
    message: `could not push to ${first.mirror}: ${first.failure.message}`,
    code: "push.partial",
    subject: first.mirror,
    hint: "Push again: what is there already is not sent again.",
  });
}
