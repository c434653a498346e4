import { type AttestResult, attest, verifyAttestations } from "../../app/attest.js";
import type { Failure } from "../../base/failure.js";
import { type CommandDefinition, examples, repeatable } from "../command.js";
import { failedPart } from "../failed-part.js";
import { plural } from "../format.js";
import { addKeyOptions, signingOptions } from "../signing-options.js";
import { addTrustOptions, trustOptions } from "../trust-options.js";

export const attestCommand: CommandDefinition = {
  define(command) {
    command
      .argument("<mirror>", "name of a mirror, or a URL")
      .argument("[specs...]", "packages of the mirror: hdf5+mpi, /7i7xbvp")
      .option("--all", "all packages that were built in this store")
      .addOption(repeatable("-t, --tag <name>", "an image of the mirror (repeatable)"))
      .option("--predicate <file>", "what is said, as JSON (else how the packages were built)")
      .option(
        "--type <type>",
        "its type: a URI, or as cosign names it: vuln, spdx, cyclonedx, slsaprovenance1",
      )
      .option("--builder <uri>", "who built it, where this is no job of GitHub or GitLab")
      .option("--sysroot <dir>", "the store's paths are below this folder");
    addKeyOptions(command);
    command.option("-j, --jobs <n>", "how many manifests at once; 16");
    examples(command, [
      ["stowage attest cache hdf5 --key cosign.key", "its provenance, in the job that has built it"],
      ["stowage attest cache --all --key env://SIGNING_KEY", "that of all that this store has built"],
      ["stowage attest cache -t app --predicate scan.json --type vuln -k cosign.key", "anything else"],
      ["stowage attest verify ghcr.io/me/cache:app --key cosign.pub --type vuln", "whether it is signed"],
    ]);
  },
  async run({ given, options, terminal }) {
    const result = await attest(given.argument(0), {
      ...options,
      ...signingOptions(given, terminal),
      specs: given.specs(1),
      all: given.flag("all"),
      tags: given.texts("tag"),
      predicate: given.text("predicate"),
      type: given.text("type"),
      builder: given.text("builder"),
      sysroot: given.text("sysroot"),
      jobs: given.count("jobs"),
    });
    const { attested, skipped, signer, predicateType } = result;
    return {
      document: result,
      *lines(paint) {
        for (const { tag, digest } of attested) yield `${paint("green", "attested")} ${tag}  ${digest}`;
        yield `${plural(attested.length, "attestation")} of type ${predicateType} by ${signer}${
          skipped.length > 0 ? `, ${skipped.length} not built here` : ""
        }`;
      },
      failure: failureOf(result),
    };
  },
};

function failureOf({ failed, attested, mirror }: AttestResult): Failure | undefined {
  const [first] = failed;
  if (first === undefined) return undefined;
  const others = failed.length > 1 ? ` (and ${failed.length - 1} more)` : "";
  return failedPart({
    failures: failed.map(({ failure }) => failure),
    done: attested.length > 0,
    message: `could not attest ${first.tag}${others}: ${first.failure.message}`,
    code: "attest.partial",
    subject: mirror,
  });
}

export const attestVerify: CommandDefinition = {
  define(command) {
    command
      .argument("<image>", "ghcr.io/me/app:1, oci://…, oci+http://…@sha256:…, oci:DIR:TAG")
      .option("--type <type>", "only of this type: a URI, or as cosign names it");
    addTrustOptions(command);
    examples(command, [
      ["stowage attest verify ghcr.io/me/app:1 --key cosign.pub --type slsaprovenance1", "by a key"],
      ["stowage attest verify --json ghcr.io/me/app:1", "by the trust that is configured, with what is said"],
    ]);
  },
  async run({ given, options }) {
    const result = await verifyAttestations(given.argument(0), {
      ...options,
      ...trustOptions(given),
      type: given.text("type"),
    });
    return {
      document: result,
      *lines(paint) {
        yield `${result.name}  ${result.digest}`;
        for (const { predicateType, signer, signedAt } of result.attestations)
          yield `${paint("green", "verified")} ${predicateType} by ${signer}${signedAt === undefined ? "" : ` at ${signedAt}`}`;
      },
    };
  },
};
