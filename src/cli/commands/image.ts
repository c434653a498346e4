import { Option } from "commander";
import { image } from "../../app/image.js";
import { type RebaseOptions, rebase } from "../../app/rebase.js";
import { Failure } from "../../base/failure.js";
import { type Answer, type CommandDefinition, examples, repeatable } from "../command.js";
import { formatSize, plural } from "../format.js";
import type { Given } from "../given.js";
import { addSigningOptions, signingOptions } from "../signing-options.js";
import { sbomFormatOption, sbomMaking } from "../sbom-options.js";

export const imageCommand: CommandDefinition = {
  define(command) {
    command
      .argument("<mirror>", "mirror that has the packages: a name, or a URL")
      .argument("[specs...]", "packages of the mirror: python py-numpy, /7i7xbvp")
      .option("-t, --tag <name>", "tag of the image")
      .option("--base-image <image>", "image to build on: debian:12, oci+http://HOST/NAME, oci:DIR:TAG")
      .option("--platform <platform>", "os/architecture[/variant], where the mirror has packages for several")
      .option("--output <where>", "write oci:DIR[:TAG] or docker-archive:FILE instead of a tag of the mirror")
      .option("--sbom", "attach to the image the bill of what is in it")
      .addOption(sbomFormatOption("--sbom-format"))
      .option("--rebase", "give the packages' own tags (all, without specs) the base image instead")
      .option("--max-layers <n>", "merge layers past this many, the base's included; 100")
      .option("--no-check", "write an image that would not run, too")
      .optionsGroup("How a container of it starts (else as the base image says):")
      .option("--entrypoint <command>", 'program: "python3 -u" or ["python3", "-u"]')
      .option("--cmd <command>", "its arguments, in the same form")
      .option("--user <user>", "user or uid, with :group")
      .option("--workdir <dir>", "working directory")
      .addOption(
        new Option("--env-from <program>", "what recipes set, as this machine's spack loads it").choices([
          "spack",
        ]),
      )
      .addOption(repeatable("--env <name=value>", "a variable, in which $NAME is what is there (repeatable)"))
      .addOption(repeatable("--label <name=value>", "a label (repeatable)"));
    command.optionsGroup("Signatures:");
    addSigningOptions(command);
    command.option(
      "-u, --unsigned",
      "with --rebase: write to a mirror of signed packages without signatures",
    );
    examples(command, [
      ["stowage image cache python py-numpy --tag science --base-image debian:12", "two packages"],
      ["stowage image cache greet --tag greet --base-image oci:base:12", "over a layout on disk"],
      ["stowage image cache greet --tag greet --output docker-archive:greet.tar", "for docker load"],
      ["stowage image cache --rebase --base-image debian:12", "another base for all that is there"],
    ]);
  },
  async run({ given, options, terminal }) {
    const making = {
      ...options,
      ...signingOptions(given, terminal),
      unsigned: given.flag("unsigned"),
      maxLayers: given.count("maxLayers", 2),
      check: given.flag("check"),
      specs: given.specs(1),
    };
    if (given.flag("rebase") === true) return await rebaseAnswer(given, making);
    const result = await image(given.argument(0), {
      ...making,
      ...sbomMaking(given),
      baseImage: given.text("baseImage"),
      tag: given.text("tag"),
      platform: given.text("platform"),
      output: given.text("output"),
      environmentFrom: given.text("envFrom") === "spack" ? "spack" : undefined,
      variables: given.texts("env"),
      settings: {
        entrypoint: words(given, "entrypoint"),
        cmd: words(given, "cmd"),
        user: given.text("user"),
        workingDirectory: directory(given.text("workdir")),
        labels: Object.fromEntries(given.texts("label").map(label)),
      },
    });
    const { layers, merged, sent, base } = result;
    return {
      document: result,
      lines: (paint) => [
        `${paint("green", "wrote")} ${result.image}`,
        `${result.digest}, ${plural(layers, "layer")}${merged > 0 ? ` (${merged} merged)` : ""}${
          base === undefined ? "" : ` over ${base}`
        }, ${sent > 0 ? `${formatSize(sent)} sent` : "no layer sent"}`,
      ],
    };
  },
};

async function rebaseAnswer(given: Given, making: Omit<RebaseOptions, "baseImage">): Promise<Answer> {
  const baseImage = given.text("baseImage");
  if (baseImage === undefined)
    throw new Failure("usage", "--rebase needs a base image", {
      code: "cli.usage",
      hint: "Name it with --base-image.",
    });
  const result = await rebase(given.argument(0), { ...making, baseImage });
  const { rebased, current, failed, base, mirror } = result;
  const [first] = failed;
  return {
    document: result,
    *lines(paint) {
      for (const { tag } of rebased) yield `${paint("green", "rebased")} ${tag}`;
      yield `${plural(rebased.length, "package")} over ${base}, ${current} there already${
        failed.length > 0 ? `, ${failed.length} failed` : ""
      }`;
    },
    failure:
      first === undefined
        ? undefined
        : new Failure(
            "partial",
            `could not give ${first.name} another base image: ${first.failure.message}`,
            {
              code: "image.partial",
              subject: mirror,
              hint: first.failure.hint,
            },
          ),
  };
}

/** A command as words: a JSON list, or words between blanks. */
function words(given: Given, option: string): readonly string[] | undefined {
  const text = given.text(option)?.trim();
  if (text === undefined) return undefined;
  if (!text.startsWith("[")) return text.split(/\s+/).filter((word) => word !== "");
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list) && list.every((item): item is string => typeof item === "string")) return list;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new Failure("usage", `--${option} is "${text}", which is no list of words`, {
    code: "cli.usage",
    hint: 'Write "program argument" or ["program", "argument"].',
  });
}

/** No container starts in a relative one (runtime-spec 1.2, config.md, `cwd`). */
function directory(text: string | undefined): string | undefined {
  if (text === undefined || text.startsWith("/")) return text;
  throw new Failure("usage", `--workdir is "${text}", which is no absolute path`, {
    code: "cli.usage",
    hint: "Write it from / on: /home/me.",
  });
}

function label(text: string): [name: string, value: string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new Failure("usage", `"${text}" is no label`, { code: "cli.usage", hint: "Write NAME=value." });
}
