import { type SyncResult, sync } from "../../app/sync.js";
import type { Failure } from "../../base/failure.js";
import { type CommandDefinition, examples, refuse } from "../command.js";
import { failedPart } from "../failed-part.js";
import { addSigningOptions, signingOptions } from "../signing-options.js";
import { formatSize, plural } from "../format.js";

export const buildcacheSync: CommandDefinition = {
  define(command) {
    command
      .argument("<source>", "name of a mirror, or a URL: of any kind")
      .argument("<destination>", "name of a mirror, or a URL: of any kind that can be written")
      .argument("[specs...]", "only these, with what they need to run (else those of --env, else all)")
      .option("--dry-run", "tell what would be copied")
      .option("-f, --force", "copy again what is there already")
      .option("-u, --unsigned", "write to a mirror of signed packages without signatures")
      .option("--update-index", "renew the index of the destination afterwards")
      .option("--fail-fast", "stop at the first package that fails")
      .option("-j, --jobs <n>", "how many packages to copy at once");
    addSigningOptions(command);
    refuse(command, [
      ["--manifest-glob <pattern>", "it is made by `spack ci`; name the mirrors to copy from and to"],
    ]);
    examples(command, [
      ["stowage buildcache sync old oci://ghcr.io/me/cache", "all of a mirror into a registry"],
      ["stowage buildcache sync --env . ci release", "what an environment needs, as in Spack"],
      ["stowage buildcache sync --dry-run s3://bucket/cache ./cache hdf5", "how much it would be"],
    ]);
  },
  async run({ given, options, terminal }) {
    const dryRun = given.flag("dryRun");
    const result = await sync(given.argument(0), given.argument(1), {
      ...options,
      ...signingOptions(given, terminal),
      specs: given.specs(2),
      dryRun,
      force: given.flag("force"),
      unsigned: given.flag("unsigned"),
      updateIndex: given.flag("updateIndex"),
      failFast: given.flag("failFast"),
      jobs: given.count("jobs"),
    });
    return {
      document: { dryRun: dryRun === true, ...result },
      *lines(paint) {
        const { copied, present, failed, missing, bytes, index } = result;
        const verb = dryRun === true ? "would copy" : "copied";
        for (const { name, version, hash, size } of copied)
          yield `${paint("green", verb)} ${name}@${version}/${hash.slice(0, 7)}, ${formatSize(size)}`;
        for (const { name, version, hash } of missing)
          yield `${paint("yellow", "not in the source:")} ${name}@${version}/${hash.slice(0, 7)}`;
        yield [
          `${plural(copied.length, "package")} ${dryRun === true ? "to copy" : "copied"} (${formatSize(bytes)})`,
          `${present.length} there already`,
          ...(failed.length > 0 ? [`${failed.length} failed`] : []),
          ...(missing.length > 0 ? [`${missing.length} not in the source`] : []),
        ].join(", ");
        if (index !== undefined)
          yield `index: ${plural(index.packages, "package")}, ${index.written ? "written" : "up to date"}`;
      },
      failure: copyFailure(result),
    };
  },
};

export function copyFailure({ failed, copied, present, from }: SyncResult): Failure | undefined {
  const [first] = failed;
  if (first === undefined) return undefined;
  const { name, version, failure } = first;
  const others = failed.length > 1 ? ` (and ${failed.length - 1} more)` : "";
  return failedPart({
    failures: failed.map((one) => one.failure),
    done: copied.length + present.length > 0,
    message: `could not copy ${name}@${version}${others}: ${failure.message}`,
    code: "buildcache.sync-partial",
    subject: from,
    hint: "Run it again: what is there already is not copied again.",
  });
}
