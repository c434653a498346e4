import { type Command, Option } from "commander";
import { parseSignatureFormats, type SigningOptions } from "../app/signing.js";
import { ask } from "./ask.js";
import { repeatable } from "./command.js";
import type { Given } from "./given.js";
import type { Terminal } from "./terminal.js";

/** The options of commands that may sign. */
export function addSigningOptions(command: Command): void {
  command
    .addOption(new Option("--sign", "sign what is written: with --key, else as the CI job that this is"))
    .addOption(new Option("--signed").hideHelp());
  addKeyOptions(command);
}

/** Who signs, and how. */
export function addKeyOptions(command: Command): void {
  // Spack's `prune` has another -k.
  const short = command.options.some((option) => option.short === "-k") ? "" : "-k, ";
  command
    .option(`${short}--key <key>`, "private key that signs: a PEM file, encrypted or not, or env://NAME")
    .addOption(
      repeatable("--signature-format <format>", "how signatures are stored (else cosign2 for a key)", [
        "cosign2",
        "cosign3",
        "both",
      ]),
    )
    .option("--fulcio-url <url>", "who gives a job its certificate (else the public sigstore)")
    .option("--rekor-url <url>", "the log that witnesses a job's signatures (else the public sigstore's)")
    .option("--tsa-url <url>", "a time stamp authority that does, instead of the log");
}

export function signingOptions(given: Given, { isTty }: Terminal): SigningOptions & { sign?: boolean } {
  const sign = given.flag("sign") ?? given.flag("signed");
  return {
    ...(sign === undefined ? {} : { sign }),
    key: given.text("key"),
    signatureFormats: parseSignatureFormats(given.texts("signatureFormat")),
    fulcioUrl: given.text("fulcioUrl"),
    rekorUrl: given.text("rekorUrl"),
    tsaUrl: given.text("tsaUrl"),
    askPassword: askPassword(isTty.err),
  };
}

/** Asks at the terminal; undefined where there is none. */
export const askPassword = (atTerminal: boolean): ((subject: string) => Promise<string>) | undefined =>
  atTerminal && process.stdin.isTTY === true
    ? (subject) => ask(`Password of ${subject}: `, { secret: true })
    : undefined;
