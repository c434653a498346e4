import { Option } from "commander";
import { type InstallResult, install } from "../../app/install.js";
import type { Failure } from "../../base/failure.js";
import { formatShort } from "../../spec/format-concrete.js";
import { accept, type CommandDefinition, examples, refuse, repeatable } from "../command.js";
import { failedPart } from "../failed-part.js";
import { formatSize, plural, table } from "../format.js";

export const installCommand: CommandDefinition = {
  define(command) {
    command
      .argument("[specs...]", "hdf5+mpi, /HASH, NAME-VERSION-HASH (none: what --lockfile or --env asks for)")
      .option("-m, --mirror <mirror>", "only from this mirror, a name or a URL (else all, in their order)")
      .addOption(
        new Option("--only <part>", "install only the packages named, or only what they need").choices([
          "package",
          "dependencies",
        ]),
      )
      .option("--lockfile <file>", "install the roots of a spack.lock")
      .addOption(
        repeatable("--group <name>", "of an environment or a lockfile only these roots (repeatable)"),
      )
      .option("--include-build-deps", "install what the packages were built with, too")
      .option("--allow-missing", "install what there is, and tell what no mirror has")
      .option("--overwrite", "install again what is installed")
      .option("--dry-run", "tell what would be done")
      .option("--fail-fast", "stop at the first package that fails")
      .option("--strict", "refuse a package in which anything could not be relocated")
      .option("--no-locks", "take no locks: nobody else uses the store")
      .option("--no-cache", "keep no downloads, and use none that were kept")
      .option("--no-host-compatible", "packages may be for another machine than this one")
      .option("--keyring <file>", "trust the OpenPGP keys in this file instead of Spack's keyring")
      .option("-j, --jobs <n>", "how many packages to unpack at once");
    accept(command, ["--cache-only", "--use-cache", "-u, --unsigned", "-y, --yes-to-all"]);
    const fromSource = "packages come from build caches only";
    refuse(command, [
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
  async run({ given, options, terminal }) {
    const only = given.text("only");
    const dryRun = given.flag("dryRun") === true;
    const result = await install(given.specs(0), {
      ...options,
      mirror: given.text("mirror"),
      only: only === "package" || only === "dependencies" ? only : undefined,
      includeBuildDeps: given.flag("includeBuildDeps"),
      allowMissing: given.flag("allowMissing"),
      overwrite: given.flag("overwrite"),
      dryRun,
      failFast: given.flag("failFast"),
      strict: given.flag("strict"),
      locks: given.flag("locks"),
      jobs: given.count("jobs"),
      lockfile: given.text("lockfile"),
      groups: given.texts("group").length === 0 ? undefined : given.texts("group"),
      cache: given.flag("cache"),
      hostCompatible: given.flag("hostCompatible"),
      keyring: given.text("keyring"),
      checkSignature: given.flag("unsigned") === true ? false : options.checkSignature,
    });
    const warn = (text: string) => terminal.err(`${terminal.paintErr("yellow", "warning:")} ${text}\n`);
    if (/\s/.test(result.root))
      warn(`${result.root} has a space: scripts cannot start programs there by their first line`);
    for (const { spec, madeIn, longestRoot } of result.plan.tight)
      warn(
        `${formatShort(spec)} was made in ${madeIn}: if its binaries name that, only a store root of at most ${longestRoot} characters has room`,
      );
    for (const same of result.conflicts)
      warn(`more than one ${same[0]?.name} is needed: ${same.map((spec) => formatShort(spec)).join(", ")}`);
    return {
      document: documentOf(result),
      *lines(paint) {
        const { plan, run, failed, missing } = result;
        for (const name of missing) yield `${paint("yellow", "in no mirror:")} ${name}`;
        if (run === undefined) {
          yield* table(
            plan.packages.map((one) => [
              one.state === "present" ? paint("green", "[+]") : " - ",
              formatShort(one.spec),
              one.state === "present" ? "" : formatSize(one.entry.layer.size),
              one.prefix,
            ]),
          );
          const wanted = plan.packages.filter(({ state }) => state === "fetch").length;
          yield `${plural(wanted, "package")} to install, ${formatSize(plan.bytes)} to fetch`;
          // The first one is the command's failure.
          for (const problem of plan.problems.slice(1))
            yield `${paint("red", "problem:")} ${problem.message}`;
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
          ...(missing.length > 0 ? [`${missing.length} in no mirror`] : []),
        ].join(", ");
      },
      failure: failureOf(result),
    };
  },
};

function documentOf({ root, plan, conflicts, missing, unchecked, run, failed }: InstallResult): object {
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
    conflicts: conflicts.map((same) => same.map(({ name, version, hash }) => ({ name, version, hash }))),
    missing,
    unchecked,
    dryRun: run === undefined,
    bytes: plan.bytes,
    ...(run === undefined
      ? {
          wanted: plan.packages.filter(({ state }) => state === "fetch").map(named),
          present: plan.packages.filter(({ state }) => state === "present").map(named),
          problems: plan.problems,
          tight: plan.tight.map(({ spec, prefix, madeIn, longestRoot }) => ({
            ...named({ spec, prefix }),
            madeIn,
            longestRoot,
          })),
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
  const there = new Set([...run.installed, ...run.present].map(({ spec }) => spec.hash));
  return failedPart({
    failures: failed.map(({ failure }) => failure),
    done: plan.roots.some((hash) => there.has(hash)),
    message: `could not install ${formatShort(first.spec)}${others}: ${first.failure.message}`,
    code: "install.partial",
    subject: root,
  });
}
