import { sbom } from "../../app/sbom.js";
import { type AttachSbomsResult, attachSboms } from "../../app/sbom-attach.js";
import type { Failure } from "../../base/failure.js";
import { type CommandDefinition, examples } from "../command.js";
import { failedPart } from "../failed-part.js";
import { plural } from "../format.js";
import { sbomFormat, sbomFormatOption } from "../sbom-options.js";

export const sbomCommand: CommandDefinition = {
  define(command) {
    command
      .argument("<what>", "an image (oci://…, oci+http://…, oci:DIR:TAG, ghcr.io/…), else a spec")
      .option("-m, --mirror <mirror>", "look for the spec in this mirror, a name or a URL (else in all)")
      .addOption(sbomFormatOption("--format"))
      .option("-o, --output <file>", "write it to a file");
    examples(command, [
      ["stowage sbom ghcr.io/me/cache:tools", "what is in an image, as it was attached to it"],
      ["stowage sbom hdf5+mpi --format cyclonedx -o hdf5.cdx.json", "a package of the configured mirrors"],
      ["stowage sbom attach cache --all", "attach one to each package of a mirror"],
    ]);
  },
  async run({ given, options }) {
    const output = given.text("output");
    const result = await sbom(given.argument(0), {
      ...options,
      mirror: given.text("mirror"),
      format: sbomFormat(given, "format"),
      output,
    });
    const { text, ...document } = result;
    return {
      document: { ...document, output, sbom: JSON.parse(text) },
      lines: () => (output === undefined ? [text.trimEnd()] : [`wrote ${output}`]),
    };
  },
};

export const sbomAttach: CommandDefinition = {
  define(command) {
    command
      .argument("<mirror>", "name of a mirror, or a URL")
      .argument("[specs...]", "packages of the mirror, with what they need to run: hdf5+mpi, /7i7xbvp")
      .option("--all", "all packages")
      .option("--only-package", "only the packages named, without what they need")
      .addOption(sbomFormatOption("--format"))
      .option("--read-layers", "take sources and licenses from the packages' tarballs, which are all fetched")
      .option("-f, --force", "attach another where there is one")
      .option("-j, --jobs <n>", "how many packages at once; 16");
    examples(command, [
      ["stowage sbom attach cache --all", "made of the specs: nothing large is fetched"],
      ["stowage sbom attach cache hdf5 --read-layers", "with what Spack 1.2 and later left in the tarballs"],
    ]);
  },
  async run({ given, options }) {
    const result = await attachSboms(given.argument(0), {
      ...options,
      specs: given.specs(1),
      all: given.flag("all"),
      only: given.flag("onlyPackage") === true ? "package" : undefined,
      format: sbomFormat(given, "format"),
      readLayers: given.flag("readLayers"),
      force: given.flag("force"),
      jobs: given.count("jobs"),
    });
    return {
      document: result,
      *lines(paint) {
        for (const { tag, digest } of result.attached)
          yield `${paint("green", "attached")} to ${tag}  ${digest}`;
        yield `${plural(result.attached.length, "bill")} of materials attached, ${result.present.length} there already`;
      },
      failure: failureOf(result),
    };
  },
};

function failureOf({ failed, attached, present, mirror }: AttachSbomsResult): Failure | undefined {
  const [first] = failed;
  if (first === undefined) return undefined;
  const others = failed.length > 1 ? ` (and ${failed.length - 1} more)` : "";
  return failedPart({
    failures: failed.map(({ failure }) => failure),
    done: attached.length + present.length > 0,
    message: `could not attach an SBOM to ${first.tag}${others}: ${first.failure.message}`,
    code: "sbom.partial",
    subject: mirror,
    hint: "Do it again: what is attached already is left as it is.",
  });
}
