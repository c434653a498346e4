import { authCheck } from "../../app/auth.js";
import { type CommandDefinition, examples } from "../command.js";

export const authCheckCommand: CommandDefinition = {
  define(command) {
    command.argument("<reference>", "name of a mirror, URL of a registry, or an image");
    examples(command, [
      ["stowage auth check cache", "the login of a configured mirror"],
      ["stowage auth check oci://ghcr.io/org/cache", "what docker's or podman's login may do there"],
    ]);
  },
  async run({ given, options }) {
    const report = await authCheck(given.argument(0), options);
    const { repository, login, scheme, tokenService, pull, push } = report;
    const who = login?.username === undefined ? "" : ` as ${login.username}`;
    return {
      document: report,
      *lines(paint) {
        yield `repository  ${repository}`;
        yield `login       ${login === undefined ? "none found" : `${login.source}${who}`}`;
        yield `asks by     ${tokenService === undefined ? scheme : `${scheme}, tokens from ${tokenService}`}`;
        for (const [name, { allowed, reason }] of [
          ["pull", pull],
          ["push", push],
        ] as const)
          yield `${name}        ${allowed ? paint("green", "yes") : `${paint("red", "no")}: ${reason}`}`;
      },
    };
  },
};
