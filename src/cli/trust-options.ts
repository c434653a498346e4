import type { Command } from "commander";
import type { GivenTrust } from "../app/signature.js";
import { repeatable } from "./command.js";
import type { Given } from "./given.js";

/** The options of commands that verify, by the names that cosign gives them. */
export function addTrustOptions(command: Command): void {
  command
    .addOption(
      repeatable("-k, --key <file>", "trust this public key instead of what is configured (repeatable)"),
    )
    .option("--certificate-identity <subject>", "trust whom a certificate names so")
    .option("--certificate-identity-regexp <expression>", "the same, as an expression")
    .option("--certificate-oidc-issuer <url>", "who must have vouched for that identity")
    .option("--certificate-oidc-issuer-regexp <expression>", "the same, as an expression")
    .option("--trusted-root <file>", "what certificates are checked by");
}

/** Whom to trust, where it is said. */
export const trustOptions = (given: Given): GivenTrust => ({
  keys: given.texts("key"),
  identity: {
    subject: given.text("certificateIdentity"),
    subjectRegexp: given.text("certificateIdentityRegexp"),
    issuer: given.text("certificateOidcIssuer"),
    issuerRegexp: given.text("certificateOidcIssuerRegexp"),
  },
  trustedRoot: given.text("trustedRoot"),
});
