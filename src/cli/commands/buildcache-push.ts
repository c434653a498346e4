import { Option } from "commander";
import { type PushResult, push } from "../../app/push.js";
import type { Failure } from "../../base/failure.js";
import { accept, type CommandDefinition, examples, repeatable } from "../command.js";
import { failedPart } from "../failed-part.js";
import { formatSize, plural } from "../format.js";
import { sbomFormatOption, sbomMaking } from "../sbom-options.js";
import { addSigningOptions, signingOptions } from "../signing-options.js";

export const buildcachePush: CommandDefinition = {
  define(command) {
    command
      .argument("<mirror>", "name of a mirror, or a URL")
      .argument(
        "[specs...]",
        "installed packages: hdf5+mpi, /7i7xbvp (else those of --env, else all that were asked for)",
      )
      .addOption(repeatable("--group <name>", "of the environment only these roots (repeatable)"))
      .option("--base-image <image>", "make runnable images over this one: debian:12, oci:DIR:TAG")
      .addOption(
        new Option(
          "--env-from <program>",
          "set in images what recipes set, as this machine's spack loads it",
        ).choices(["spack"]),
      )
      .option("-t, --tag <name>", "make one image of all that was named, too, under this tag")
      .option("--max-layers <n>", "merge layers of images past this many, the base's included; 100")
      .option("--no-check", "write images that would not run over the base image, too")
      .option("--sbom", "attach to each package, and to the image, its bill of materials")
      .addOption(sbomFormatOption("--sbom-format"))
      .option("--update-index", "renew the index afterwards")
      .addOption(
        new Option("--only <part>", "push only the packages named, or only what they need").choices([
          "package",
          "dependencies",
        ]),
      )
      .option("--with-build-dependencies", "push what was needed to build, too")
      .option("--private", "push what its recipe forbids to redistribute, too")
      .option("-f, --force", "push again what is there already")
      .option("--fail-fast", "stop at the first package that fails")
      .option("--strict", "fail where a dependency is not installed")
      .option("--digest-file <file>", "write a line of tag and digest for each package that is there now")
      .option("-u, --unsigned", "push to a mirror of signed packages without signatures")
      .option("-j, --jobs <n>", "how many packages to pack and upload at once")
      .addOption(
        new Option(
          "--compression <kind>",
          "of layers; zstd is faster and smaller, and no Spack reads it",
        ).choices(["gzip", "zstd"]),
      )
      .option("--compression-level <n>", "gzip: 1 (fast) to 9 (small), 4; zstd: 1 to 19, 3")
      .addOption(
        new Option("--compression-engine <library>", "what compresses; libdeflate is the system's").choices([
          "zlib",
          "libdeflate",
        ]),
      )
      .option("--sysroot <dir>", "the store's paths are below this folder");
    addSigningOptions(command);
    accept(command, ["--rebuild-index", "--without-build-dependencies", "--allow-missing"]);
    examples(command, [
      ["stowage buildcache push cache hdf5", "with all it needs to run"],
      ["stowage buildcache push --update-index cache /7i7xbvp", "one package by hash"],
      ["stowage buildcache push --base-image debian:12 oci://ghcr.io/me/cache greet", "an image that runs"],
    ]);
  },
  async run({ given, options, terminal }) {
    const only = given.text("only");
    const engine = given.text("compressionEngine");
    const result = await push(given.argument(0), {
      ...options,
      ...signingOptions(given, terminal),
      specs: given.specs(1),
      baseImage: given.text("baseImage"),
      environmentFrom: given.text("envFrom") === "spack" ? "spack" : undefined,
      groups: given.texts("group").length === 0 ? undefined : given.texts("group"),
      digestFile: given.text("digestFile"),
      tag: given.text("tag"),
      maxLayers: given.count("maxLayers", 2),
      check: given.flag("check"),
      ...sbomMaking(given),
      updateIndex: given.flag("updateIndex") ?? given.flag("rebuildIndex"),
      only: only === "package" || only === "dependencies" ? only : undefined,
      withBuildDependencies: given.flag("withBuildDependencies"),
      private: given.flag("private"),
      force: given.flag("force"),
      failFast: given.flag("failFast"),
      strict: given.flag("strict"),
      jobs: given.count("jobs"),
      compressionLevel: given.count("compressionLevel"),
      compression: given.text("compression") === "zstd" ? "zstd" : undefined,
      compressionEngine: engine === "zlib" || engine === "libdeflate" ? engine : undefined,
      sysroot: given.text("sysroot"),
      unsigned: given.flag("unsigned"),
    });
    for (const warning of result.warnings)
      terminal.err(`${terminal.paintErr("yellow", "warning:")} ${warning}\n`);
    return {
      document: result,
      *lines(paint) {
        const { pushed, present, rebased, sboms, failed, missing, excluded, image, index } = result;
        const bytes = pushed.reduce((sum, one) => sum + one.size, 0);
        for (const { name, version, hash, size, tag } of pushed)
          yield `${paint("green", "pushed")} ${name}@${version}/${hash.slice(0, 7)}, ${formatSize(size)}, as ${tag}`;
        for (const { name, version, hash, reason } of excluded)
          yield `${paint("yellow", exclusions[reason])} ${name}@${version}/${hash.slice(0, 7)}`;
        for (const { name, version, hash } of missing)
          yield `${paint("yellow", "not installed here:")} ${name}@${version}/${hash.slice(0, 7)}`;
        yield [
          `${plural(pushed.length, "package")} pushed${bytes > 0 ? ` (${formatSize(bytes)})` : ""}`,
          `${present.length} there already`,
          ...(rebased.length > 0 ? [`${rebased.length} of them over the base image now`] : []),
          ...(failed.length > 0 ? [`${failed.length} failed`] : []),
          ...(missing.length > 0 ? [`${missing.length} not installed`] : []),
          ...(excluded.length > 0 ? [`${excluded.length} not for this mirror`] : []),
        ].join(", ");
        if (sboms.length > 0) yield `${plural(sboms.length, "bill")} of materials attached`;
        if (image !== undefined)
          yield `image: ${image.tag}, ${plural(image.layers, "layer")}, ${image.digest}`;
        if (index !== undefined)
          yield `index: ${plural(index.packages, "package")}, ${index.written ? "written" : "up to date"}`;
      },
      failure: failureOf(result),
    };
  },
};

const exclusions = {
  filter: "not taken by the mirror:",
  redistribution: "not to be redistributed (--private pushes it):",
} as const;

function failureOf({ failed, pushed, present, mirror }: PushResult): Failure | undefined {
  const [first] = failed;
  if (first === undefined) return undefined;
  const { name, version, failure } = first;
  const others = failed.length > 1 ? ` (and ${failed.length - 1} more)` : "";
  return failedPart({
    failures: failed.map((one) => one.failure),
    done: pushed.length + present.length > 0,
    message: `could not push ${name}@${version}${others}: ${failure.message}`,
    code: "push.partial",
    subject: mirror,
    hint: "Push again: what is there already is not sent again.",
  });
}
