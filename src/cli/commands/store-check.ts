import { type StoreProblem, storeCheck } from "../../app/store-check.js";
import { Failure } from "../../base/failure.js";
import { type CommandDefinition, examples } from "../command.js";
import { plural } from "../format.js";

export const storeCheckCommand: CommandDefinition = {
  define(command) {
    command.option("--repair", "mend what can be mended without a mirror");
    examples(command, [
      ["stowage store check", "database, prefixes and files"],
      ["stowage store check --repair", "so that the next install fetches what is gone"],
    ]);
  },
  async run({ given, options }) {
    const { root, packages, files, problems, left } = await storeCheck({
      ...options,
      repair: given.flag("repair"),
    });
    const mended = problems.length - left.length;
    return {
      document: { store: root, packages, files, problems, left },
      lines: (paint) => [
        ...problems.map((problem) => `${paint("red", "[x]")} ${describe(problem)}`),
        `checked ${plural(packages, "package")}, ${plural(files, "file")}: ${plural(problems.length, "problem")}${mended > 0 ? `, ${mended} mended` : ""}`,
      ],
      failure:
        left.length === 0
          ? undefined
          : new Failure("corrupt", `${root} has ${plural(left.length, "problem")}`, {
              code: "store.broken",
              subject: root,
              hint: "`stowage install --overwrite /HASH` installs a package again.",
            }),
    };
  },
};

function describe(problem: StoreProblem): string {
  const who = "hash" in problem ? `${problem.name}/${problem.hash.slice(0, 7)}` : problem.path;
  switch (problem.type) {
    case "prefix-missing":
      return `${who}: ${problem.path} is not there`;
    case "manifest-missing":
      return `${who}: ${problem.path} has no manifest`;
    case "changed":
      return `${who}: ${plural(problem.deviations.length, "path")} not as installed`;
    case "dependency-missing":
      return `${who}: needs /${problem.needs.slice(0, 7)}, which is not installed`;
    case "hash-mismatch":
      return `${who}: its spec has another hash`;
    case "prefix-unknown":
      return `${who}: a package that the database does not know; install it to record it, or remove it`;
    case "alias-broken":
      return `${who}: leads to ${problem.target}, where nothing is installed`;
    case "staging-abandoned":
      return `${who}: left by a process that was killed`;
    case "ref-count":
      return `${who}: needed by ${problem.counted}, but counted otherwise`;
  }
}
