import { type SignResult, sign } from "../../app/sign.js";
import { type CommandDefinition, examples, repeatable } from "../command.js";
import { failedPart } from "../failed-part.js";
import { plural } from "../format.js";
import { addKeyOptions, signingOptions } from "../signing-options.js";

export const signCommand: CommandDefinition = {
  define(command) {
    command
      .argument("<mirror>", "name of a mirror, or a URL")
      .argument("[specs...]", "packages of the mirror, with what they need to run: hdf5+mpi, /7i7xbvp")
      .option("--all", "all packages, and the index")
      .option("--index", "the index: again and again, where readers have a max-age")
      .addOption(repeatable("-t, --tag <name>", "an image of the mirror (repeatable)"))
      .option("--only-package", "only the packages named, without what they need")
      .option("-f, --force", "sign again what this key has signed");
    addKeyOptions(command);
    command.option("-j, --jobs <n>", "how many manifests to sign at once; 32");
    examples(command, [
      ["stowage sign cache --all --key cosign.key", "all that is there already"],
      ["stowage sign cache --index --key env://SIGNING_KEY", "so that a max-age starts again"],
      ["stowage sign oci://ghcr.io/me/cache hdf5", "in a CI job, without a key"],
    ]);
  },
  async run({ given, options, terminal }) {
    const result = await sign(given.argument(0), {
      ...options,
      ...signingOptions(given, terminal),
      specs: given.specs(1),
      tags: given.texts("tag"),
      all: given.flag("all"),
      index: given.flag("index"),
      only: given.flag("onlyPackage") === true ? "package" : undefined,
      force: given.flag("force"),
      jobs: given.count("jobs"),
    });
    return {
      document: result,
      *lines(paint) {
        for (const { tag, digest } of result.signed) yield `${paint("green", "signed")} ${tag}  ${digest}`;
        yield `${plural(result.signed.length, "signature")} by ${result.signer}, ${result.present.length} there already`;
      },
      failure: failureOf(result),
    };
  },
};

function failureOf({ failed, signed, present, mirror }: SignResult) {
  const [first] = failed;
  if (first === undefined) return undefined;
  const others = failed.length > 1 ? ` (and ${failed.length - 1} more)` : "";
  return failedPart({
    failures: failed.map(({ failure }) => failure),
    done: signed.length + present.length > 0,
    message: `could not sign ${first.tag}${others}: ${first.failure.message}`,
    code: "sign.partial",
    subject: mirror,
    hint: "Sign again: what is signed already is left as it is.",
  });
}
