// Writes docs/cli.md: every command's help, from the commands themselves. Run by `npm run docs`, through tsx.
import { writeFileSync } from "node:fs";
import { createProgram } from "../src/cli/program.ts";
import { root } from "./run.mjs";

const program = createProgram({ version: "", onHelp: () => {}, run: async () => {} });
const pages = [];
const visit = async (command, path) => {
  await program.load(command);
  if (command.commands.length === 0 || path.length === 1) {
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
