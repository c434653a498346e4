import type { Command } from "commander";
import { configSection } from "../../app/config.js";
import { type ConfigNode, plainOf, type ScalarNode } from "../../config/node.js";
import { type CommandDefinition, examples } from "../command.js";
import { table } from "../format.js";

const sectionArgument = (command: Command): Command =>
  command.argument("<section>", "config, mirrors, packages, …");

export const configGet: CommandDefinition = {
  define(command) {
    sectionArgument(command);
    examples(command, [
      ["stowage config get mirrors", "as Spack would read it"],
      ["stowage config get --scope user config", "one scope alone"],
    ]);
  },
  async run({ given, options }) {
    const { section, value } = await configSection(given.argument(0), options);
    return {
      document: { section, value: value === undefined ? null : withoutSecrets(value) },
      lines: () => written(section, value).map(({ text }) => text),
    };
  },
};

export const configBlame: CommandDefinition = {
  define(command) {
    sectionArgument(command);
    examples(command, [["stowage config blame config", "which file says what"]]);
  },
  async run({ given, options }) {
    const { section, value } = await configSection(given.argument(0), options);
    const lines = written(section, value);
    return {
      document: {
        section,
        lines: lines.map(({ node, text }) => ({ text, ...node?.origin })),
      },
      lines: (paint) =>
        table(
          lines.map(({ node, text }) => [
            paint("dim", node === undefined ? "---" : `${node.origin.file}:${node.origin.line}`),
            text,
          ]),
        ),
    };
  },
};

interface Line {
  readonly text: string;
  /** What the line shows; undefined for the section's own. */
  readonly node: Pick<ConfigNode, "origin"> | undefined;
}

/** The section as YAML, one line for each value, with who wrote it. */
function written(section: string, value: ConfigNode | undefined): readonly Line[] {
  if (value === undefined) return [{ text: `${section}: {}`, node: undefined }];
  const inline = inlineText(value);
  if (inline !== undefined) return [{ text: `${section}: ${inline}`, node: undefined }];
  return [{ text: `${section}:`, node: undefined }, ...linesOf(value, "  ", [section])];
}

function linesOf(node: ConfigNode, indent: string, path: readonly string[]): readonly Line[] {
  if (node.type === "list")
    return node.items.flatMap((item, i): readonly Line[] => {
      const inline = isSecret(path, i) ? "***" : inlineText(item);
      if (inline !== undefined) return [{ text: `${indent}- ${inline}`, node: item }];
      const [first, ...rest] = linesOf(item, `${indent}  `, path);
      if (first === undefined) return [];
      return [{ ...first, text: `${indent}- ${first.text.trimStart()}` }, ...rest];
    });
  if (node.type === "scalar") return [{ text: `${indent}${scalarText(node)}`, node }];
  return [...node.entries].flatMap(([key, { value, origin }]): readonly Line[] => {
    const inline = isSecret([...path, key]) ? "***" : inlineText(value);
    const head = `${indent}${keyText(key)}:`;
    if (inline !== undefined) return [{ text: `${head} ${inline}`, node: value }];
    const deeper = value.type === "list" ? indent : `${indent}  `;
    return [{ text: head, node: { origin } }, ...linesOf(value, deeper, [...path, key])];
  });
}

/** What is written behind its key: texts, numbers, and what is empty. */
function inlineText(node: ConfigNode): string | undefined {
  if (node.type === "scalar") return scalarText(node);
  if (node.type === "list") return node.items.length === 0 ? "[]" : undefined;
  return node.entries.size === 0 ? "{}" : undefined;
}

const isPlain = (text: string): boolean =>
  /^[A-Za-z_/.$~{][^:#\n"']*$|^[A-Za-z_/.$~][\w+.-]*:\/\/[^\s#"']*$/.test(text) &&
  !/^(true|false|null|~|yes|no)$/i.test(text) &&
  !text.startsWith("{") &&
  text.trim() === text;

const keyText = (key: string): string =>
  /^[\w./$@=+%-][\w./$@=+% -]*$/.test(key) ? key : JSON.stringify(key);

const scalarText = ({ value }: ScalarNode): string =>
  typeof value === "string" && !isPlain(value) ? JSON.stringify(value) : String(value);

/** Spack before 1.0 kept secrets in mirrors.yaml: `access_token`, and the second of `access_pair`. */
const isSecret = (path: readonly string[], index?: number): boolean =>
  path[0] === "mirrors" && (path.at(-1) === "access_token" || (path.at(-1) === "access_pair" && index === 1));

function withoutSecrets(node: ConfigNode): unknown {
  return JSON.parse(
    JSON.stringify(plainOf(node), (key, value: unknown) => {
      if (key === "access_token" && typeof value === "string") return "***";
      if (key === "access_pair" && Array.isArray(value)) return [value[0], "***"];
      return value;
    }),
  );
}
