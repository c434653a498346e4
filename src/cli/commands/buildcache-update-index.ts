import { updateIndex } from "../../app/buildcache.js";
import { Failure } from "../../base/failure.js";
import { accept, type CommandDefinition, examples, refuse } from "../command.js";
import { formatSize, plural } from "../format.js";
import { addSigningOptions, signingOptions } from "../signing-options.js";

export const buildcacheUpdateIndex: CommandDefinition = {
  define(command) {
    command
      .argument("<mirror>", "name of a mirror, or a URL")
      .option("--full", "read every package again, instead of only what is new")
      .option("-k, --keys", "renew the index of a file mirror's keys, too")
      .option("-j, --jobs <n>", "requests at once");
    addSigningOptions(command);
    accept(command, ["-f, --force", "-y, --yes-to-all"]);
    refuse(command, [
      ["-n, --name <view>", "views are only read: what is written is the index of all packages"],
      ["-a, --append", "views are only read: what is written is the index of all packages"],
    ]);
    examples(command, [
      ["stowage buildcache update-index cache", "after many pushes, once"],
      ["stowage buildcache update-index --full oci://ghcr.io/me/cache", "where the index is damaged"],
    ]);
  },
  async run({ given, options, terminal }) {
    const mirror = given.argument(0);
    const result = await updateIndex(mirror, {
      ...options,
      ...signingOptions(given, terminal),
      keys: given.flag("keys"),
      full: given.flag("full") ?? given.flag("force"),
      jobs: given.count("jobs"),
    });
    const { packages, added, dropped, broken, written, bytes } = result;
    const [first] = broken;
    return {
      document: { mirror, ...result },
      lines: () => [
        `index of ${mirror}: ${plural(packages, "package")}, ${added} new, ${dropped} gone`,
        written ? `written (${formatSize(bytes)})` : "up to date",
      ],
      failure:
        first === undefined
          ? undefined
          : new Failure(
              "partial",
              `${plural(broken.length, "tag")} left out, of which ${first.name}: ${first.failure.message}`,
              {
                code: "buildcache.tags-broken",
                subject: mirror,
                hint: "Push those packages again with --force, or delete their tags.",
              },
            ),
    };
  },
};
