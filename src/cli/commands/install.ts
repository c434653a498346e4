import { Option } from "commander";
import { type InstallResult, install } from "../../app/install.js";
import { Failure } from "../../base/failure.js";
import { formatShort } from "../../spec/format-concrete.js";
import { accept, type CommandDefinition, examples, refuse } from "../command.js";
import { formatSize, plural } from "../format.js";

export const installCommand: CommandDefinition = {
  define(command) {
    command
      .argument("<specs...>", "hdf5+mpi, /HASH, NAME-VERSION-HASH")
      .option("-m, --mirror <mirror>", "only from this mirror, a name or a URL (else all, in their order)")
      .addOption(
        new Option("--only <part>", "install only the packages named, or only what they need").choices([
          "package",
          "dependencies",
        ]),
      )
      .option("--include-build-deps", "install what the packages were built with, too")
      .option("--overwrite", "install again what is installed")
      .option("--dry-run", "tell what would be done")
      .option("--fail-fast", "stop at the first package that fails")
      .option("--strict", "refuse a package in which anything could not be relocated")
      .option("--no-locks", "take no locks: nobody else uses the store")
      .option("-j, --jobs <n>", "how many packages to unpack at once");
    accept(command, [
      "--cache-only",
      "--use-cache",
      "-u, --unsigned",
      "--no-check-signature",
      "-y, --yes-to-all",
    ]);
    const fromSource = "packages come from build caches only";
    refuse(command, [
      ["--no-cache", fromSource],
      ["--use-buildcache <policy>", fromSource],
      ["--source", fromSource],
    ]);
    examples(command, [
      ["stowage install hdf5+mpi", "the newest that the mirrors have"],
      ["stowage install /7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z", "exactly this one; no index is read"],
      [
        "stowage install --mirror oci://ghcr.io/me/cache --store /opt/apps greet",
        "from anywhere, to anywhere",
      ],
    ]);
  },
  async run({ given, options }) {
    const only = given.text("only");
    const dryRun = given.flag("dryRun") === true;
    const result = await install(given.specs(0), {
      ...options,
      mirror: given.text("mirror"),
      only: only === "package" || only === "dependencies" ? only : undefined,
      includeBuildDeps: given.flag("includeBuildDeps"),
      overwrite: given.flag("overwrite"),
      dryRun,
      failFast: given.flag("failFast"),
      strict: given.flag("strict"),
      locks: given.flag("locks"),
      jobs: given.count("jobs"),
    });
    return {
      document: documentOf(result),
      *lines(paint) {
        const { plan, run, failed } = result;
        if (run === undefined) {
          for (const { state, spec, prefix } of plan.packages)
            yield `${state === "present" ? "installed  " : "would fetch"} ${formatShort(spec)}  ${prefix}`;
          yield `${formatSize(plan.bytes)} to fetch`;
          for (const problem of plan.problems) yield `${paint("red", "problem:")} ${problem.message}`;
          return;
        }
        for (const { spec, prefix, problems } of run.installed) {
          yield `${paint("green", "installed")} ${formatShort(spec)}  ${prefix}`;
          for (const { name, kind, text } of problems)
            yield `  ${paint("yellow", "not relocated:")} ${name}: ${kind} (${text})`;
        }
        yield [
          `${plural(run.installed.length, "package")} installed`,
          `${run.present.length} there already`,
          ...(failed.length > 0 ? [`${failed.length} failed`] : []),
        ].join(", ");
      },
      failure: failureOf(result),
    };
  },
};

function documentOf({ root, plan, run, failed }: InstallResult): object {
  const named = ({
    spec,
    prefix,
  }: {
    spec: { name: string; version: string; hash: string };
    prefix: string;
  }) => ({
    name: spec.name,
    version: spec.version,
    hash: spec.hash,
    prefix,
  });
  return {
    store: root,
    dryRun: run === undefined,
    bytes: plan.bytes,
    ...(run === undefined
      ? {
          wanted: plan.packages.filter(({ state }) => state === "fetch").map(named),
          present: plan.packages.filter(({ state }) => state === "present").map(named),
          problems: plan.problems,
        }
      : {
          installed: run.installed.map((one) => ({ ...named(one), size: one.size, problems: one.problems })),
          present: run.present.map(named),
        }),
    failed: failed.map(({ spec: { name, version, hash }, failure }) => ({ name, version, hash, failure })),
  };
}

function failureOf({ failed, root, run, plan }: InstallResult): Failure | undefined {
  const [problem] = plan.problems;
  if (run === undefined) return problem;
  const [first] = failed;
  if (first === undefined) return undefined;
  const others = failed.length > 1 ? ` (and ${failed.length - 1} more)` : "";
  return new Failure(
    "partial",
    `could not install ${formatShort(first.spec)}${others}: ${first.failure.message}`,
    { code: "install.partial", subject: root, hint: first.failure.hint },
  );
}
