// Writes docs/cli.md: every command's help, from the commands themselves; and into docs/spack-differences.md what
// becomes of each option of Spack's. Run by `npm run docs`, through tsx.
import { readFileSync, writeFileSync } from "node:fs";
import { createProgram } from "../src/cli/program.ts";
import { spackFlags } from "../src/cli/spack-flags.ts";
import { root } from "./run.mjs";

const program = createProgram({ version: "", onHelp: () => {}, run: async () => {} });
const pages = [];
const visit = async (command, path) => {
  await program.load(command);
  const isRoot = path.length === 1;
  if (isRoot || command.commands.length === 0 || command.registeredArguments.length > 0) {
    let text = "";
    command.configureOutput({
      writeOut: (part) => {
        text += part;
      },
      getOutHelpWidth: () => 100,
      getOutHasColors: () => false,
    });
    command.outputHelp();
    pages.push(`## ${path.join(" ")}\n\n\`\`\`text\n${text.trim()}\n\`\`\``);
  }
  for (const child of command.commands) await visit(child, [...path, child.name()]);
};
await visit(program.root, ["stowage"]);
writeFileSync(
  `${root}/docs/cli.md`,
  `# The command line\n\n<!-- generated: npm run docs -->\nExit codes: 0 done, 1 some packages failed, 2 usage, 3 not found, 4 denied, 5 unreachable or overloaded, 6 corrupt\nor not verified, 7 conflict or locked, 8 unsupported here, 70 a bug, 130 interrupted. \`--json\` prints one document\n\`{"schema": "stowage.<command>/1", …}\`; a failure is \`{"schema": "stowage.error/1", "error": {code, kind, message, hint,\nsubject}}\`.\n\n${pages.join("\n\n")}\n`,
);

const recorded = JSON.parse(readFileSync(`${root}/test/fixtures/spack-flags.json`, "utf8"));
const cell = (flags, type) =>
  flags
    .filter(({ fate }) => fate.type === type)
    .map(({ names }) => names.map((name) => `\`${name}\``).join(" "))
    .join(", ");
const rows = (await spackFlags(program, recorded))
  .filter(({ isAlias, flags }) => !isAlias && flags?.length !== 0)
  .map(({ name, flags }) => {
    if (flags === undefined) return `| \`${name}\` | not here yet | | |`;
    // Flags that are refused for one reason are told together.
    const reasons = [...new Set(flags.flatMap(({ fate }) => (fate.type === "refused" ? [fate.reason] : [])))];
    const refused = reasons.map(
      (reason) =>
        `${cell(
          flags.filter(({ fate }) => fate.reason === reason),
          "refused",
        )}: ${reason}`,
    );
    return `| \`${name}\` | ${cell(flags, "same")} | ${cell(flags, "accepted")} | ${refused.join("; ")} |`;
  });
const page = `${root}/docs/spack-differences.md`;
const text = readFileSync(page, "utf8").replace(/\n*<!-- generated: flags -->[\s\S]*$/, "");
writeFileSync(
  page,
  `${text.trimEnd()}

<!-- generated: flags -->
## Options of \`mirror\` and \`buildcache\`

Every option of Spack 1.3, and what it does here.

| command | as in Spack | taken, and changes nothing | refused, because |
|---|---|---|---|
${rows.join("\n")}
`,
);
