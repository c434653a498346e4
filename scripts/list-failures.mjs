// Writes docs/failures.md: every failure that the sources can throw, by its stable code.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./run.mjs";

const exitCodes = Object.fromEntries(
  [...readFileSync(join(root, "src/base/failure.ts"), "utf8").matchAll(/^ {2}"?([a-z-]+)"?: (\d+),$/gm)].map(
    (m) => [m[1], m[2]],
  ),
);
const meanings = {
  partial: "some packages failed, others were done; where none was, the kind is that of what failed",
  usage: "the request is wrong: arguments, syntax, configuration",
  "not-found": "what was asked for is not there, and something that knows said so",
  denied: "credentials or permissions do not allow it",
  unavailable: "unreachable, overloaded or out of space: later it may work",
  corrupt: "bytes are not what they were promised to be, or not verified",
  conflict: "something else is there, or holds a lock",
  unsupported: "cannot be done here",
  interrupted: "a signal ended it",
};

/** Code, kind and first hint of each place that makes a failure; the kind is that of the nearest call before. */
function* failures() {
  for (const file of readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).sort()) {
    if (!file.endsWith(".ts") || file.endsWith(".test.ts")) continue;
    const text = readFileSync(join(root, "src", file), "utf8");
    for (const match of text.matchAll(/\bcode: "([a-z0-9-]+(?:\.[a-z0-9-]+)+)"/g)) {
      const before = text.slice(0, match.index);
      // configFailure() makes those that point to a line of a file: all of kind usage; distrust() those of trust.
      const nearest = [
        ...before.matchAll(
          /configFailure\(|distrust\(|"(partial|usage|not-found|denied|unavailable|corrupt|conflict|unsupported|interrupted)"/g,
        ),
      ].at(-1);
      const kind =
        nearest?.[0] === "configFailure(" ? "usage" : nearest?.[0] === "distrust(" ? "corrupt" : nearest?.[1];
      yield { code: match[1], kind, file };
    }
  }
}

const rows = new Map();
for (const { code, kind, file } of failures()) {
  const row = rows.get(code) ?? { kinds: new Set(), files: new Set() };
  if (kind !== undefined) row.kinds.add(kind);
  row.files.add(file);
  rows.set(code, row);
}

export const failuresPage = [
  "# Failures",
  "",
  "<!-- generated: npm run docs -->",
  "",
  "Every failure has a kind, which decides the exit code, and a code, which stays the same. With `--json` a command that",
  'fails prints `{"schema": "stowage.error/1", "error": {"code", "kind", "message", "hint", "subject"}}`.',
  "",
  "| kind | exit code | meaning |",
  "|---|---|---|",
  ...Object.entries(meanings).map(([kind, meaning]) => `| ${kind} | ${exitCodes[kind]} | ${meaning} |`),
  "",
  "| code | kind | source |",
  "|---|---|---|",
  ...[...rows]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([code, { kinds, files }]) =>
        `| \`${code}\` | ${[...kinds].join(", ")} | ${[...files].map((f) => `\`${f}\``).join(", ")} |`,
    ),
  "",
].join("\n");

writeFileSync(join(root, "docs/failures.md"), failuresPage);
