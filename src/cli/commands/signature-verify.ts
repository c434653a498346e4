import { type SignatureReport, verifySignatures } from "../../app/signature.js";
import { type CommandDefinition, examples } from "../command.js";
import { failedPart } from "../failed-part.js";
import { plural } from "../format.js";
import { addTrustOptions, trustOptions } from "../trust-options.js";

export const signatureVerify: CommandDefinition = {
  define(command) {
    command
      .argument("<what>", "an image (ghcr.io/me/app:1, oci+http://…@sha256:…), or a mirror with --all")
      .option("--all", "all packages of a mirror, and its index");
    addTrustOptions(command);
    command.option("-j, --jobs <n>", "how many manifests to look into at once; 16");
    examples(command, [
      ["stowage signature verify --all cache", "what is signed by whom, and what is not"],
      ["stowage signature verify --key cosign.pub ghcr.io/me/app:1", "one image, whoever signed it"],
    ]);
  },
  async run({ given, options }) {
    const report = await verifySignatures(given.argument(0), {
      ...options,
      all: given.flag("all"),
      ...trustOptions(given),
      jobs: given.count("jobs"),
    });
    return {
      document: report,
      *lines(paint) {
        for (const { name, digest, by, failure } of report.checked) {
          yield `${failure === undefined ? paint("green", "verified") : paint("red", "not verified")} ${name}  ${digest}`;
          for (const { signer, form, signedAt } of by)
            yield `  by ${signer}${signedAt === undefined ? "" : ` at ${signedAt}`} (${form})`;
          if (failure !== undefined) yield `  ${failure.message}`;
        }
        const good = report.checked.filter(({ failure }) => failure === undefined).length;
        yield `${plural(good, "manifest")} verified, ${report.checked.length - good} not`;
      },
      failure: failureOf(report),
    };
  },
};

function failureOf({ what, checked }: SignatureReport) {
  const failures = checked.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  const [first] = failures;
  if (first === undefined) return undefined;
  return failedPart({
    failures,
    done: failures.length < checked.length,
    message: `${plural(failures.length, "manifest")} not verified, of which: ${first.message}`,
    code: "signature.not-verified",
    subject: what,
  });
}
