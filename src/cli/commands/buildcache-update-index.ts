import { updateIndex } from "../../app/buildcache.js";
import { Failure } from "../../base/failure.js";
import { accept, type CommandDefinition, examples } from "../command.js";
import { formatSize, plural } from "../format.js";
import { addSigningOptions, signingOptions } from "../signing-options.js";

export const buildcacheUpdateIndex: CommandDefinition = {
  define(command) {
    command
      .argument("<mirror>", "name of a mirror, or a URL")
      .argument("[environments...]", "for a view: names or folders (else --env)")
      .option("--full", "look at every package again, instead of only at what is new")
      .option("-k, --keys", "renew the index of a file mirror's keys, too")
      .option(
        "-n, --name <view>",
        "write a view: the index of what environments have, of what the mirror has",
      )
      .option("-a, --append", "add to a view that is there: one at a time")
      .option("-f, --force", "replace a view that is there; without one, as --full")
      .option("-j, --jobs <n>", "requests at once");
    addSigningOptions(command);
    accept(command, ["-y, --yes-to-all"]);
    examples(command, [
      ["stowage buildcache update-index cache", "after many pushes, once"],
      ["stowage buildcache update-index --full oci://ghcr.io/me/cache", "where the index is damaged"],
      ["stowage buildcache update-index --name daily cache ./env", "a view of what one environment has"],
    ]);
  },
  async run({ given, options, terminal }) {
    const mirror = given.argument(0);
    const name = given.text("name");
    const environments = given.rest(1);
    const append = given.flag("append");
    const force = given.flag("force");
    const isView = name !== undefined || environments.length > 0 || append === true;
    const existing = append ? "append" : force ? "replace" : undefined;
    const result = await updateIndex(mirror, {
      ...options,
      ...signingOptions(given, terminal),
      keys: given.flag("keys"),
      full: given.flag("full") ?? (isView ? undefined : force),
      view: isView ? { name, environments, existing } : undefined,
      jobs: given.count("jobs"),
    });
    const { packages, added, dropped, broken, written, bytes } = result;
    const [first] = broken;
    return {
      document: { mirror, ...result },
      lines: () => [
        `index of ${mirror}${name === undefined ? "" : `, view ${name}`}: ${plural(packages, "package")}, ${added} new, ${dropped} gone`,
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
