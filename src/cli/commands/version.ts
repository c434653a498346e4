import type { Command } from "commander";
import {
  compareVersionTexts,
  type GitOptions,
  matchVersionTexts,
  resolveVersionText,
} from "../../app/version.js";
import { type CommandDefinition, examples, type Invocation } from "../command.js";

export const versionCompare: CommandDefinition = {
  define(command) {
    command.argument("<a>", "a version").argument("<b>", "another");
    addGitOptions(command);
    examples(command, [
      ["stowage version compare 1.9 1.10", "prints <"],
      ["stowage version compare develop 99", "prints >"],
      ["stowage version compare git.main=1.2 1.2", "prints >"],
    ]);
  },
  async run({ given, options }) {
    const document = await compareVersionTexts(
      [given.argument(0), given.argument(1)],
      gitOptions({ given, options }),
    );
    return { document, lines: () => [document.order] };
  },
};

export const versionSatisfies: CommandDefinition = {
  define(command) {
    command
      .argument("<versions>", "a version, or a constraint: =1.2, 1.2:1.4, 1.2,1.4:")
      .argument("<constraint>", "what is asked of it, as it stands after @ in a spec");
    addGitOptions(command);
    examples(command, [
      ["stowage version satisfies 1.2.3 1.2:1.4", "prints yes"],
      ["stowage version satisfies 1.5 1.2:1.4", "prints no, and exits with 1"],
    ]);
  },
  async run({ given, options }) {
    const document = await matchVersionTexts(
      [given.argument(0), given.argument(1)],
      gitOptions({ given, options }),
    );
    return {
      document,
      lines: () => [document.satisfies ? "yes" : "no"],
      exitCode: document.satisfies ? 0 : 1,
    };
  },
};

export const versionResolve: CommandDefinition = {
  define(command) {
    command.argument("<version>", "git.REF, or a commit");
    addGitOptions(command);
    examples(command, [
      [
        "stowage version resolve git.main --git https://github.com/madler/zlib",
        "the nearest tagged version, and the commits since",
      ],
    ]);
  },
  async run({ given, options }) {
    const document = await resolveVersionText(given.argument(0), gitOptions({ given, options }));
    return { document, lines: () => [document.text] };
  },
};

function addGitOptions(command: Command): void {
  command
    .option("--git <repository>", "URL or path of the git repository that git refs get their version from")
    .option("--known <versions>", "versions that a tag may name beside semantic ones, with commas");
}

const gitOptions = ({ given, options }: Pick<Invocation, "given" | "options">): GitOptions => ({
  ...options,
  git: given.text("git"),
  known: given.text("known")?.split(","),
});
