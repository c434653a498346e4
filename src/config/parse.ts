import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type YAMLParseError,
} from "yaml";
import { Failure, type FailureOptions } from "../base/failure.js";
import type { ConfigNode, MapEntry, Origin, Scalar } from "./node.js";

/** Aliases can blow up a small file; real ones stay far below: Spack's largest default has some 600 values. */
const mostValues = 200_000;
const deepest = 64;

/** A failure of kind `usage` that points to a line of a configuration file. */
export function configFailure(
  at: { readonly file: string; readonly line?: number | undefined },
  message: string,
  { code, hint }: Pick<FailureOptions, "code" | "hint">,
): Failure {
  const place = at.line === undefined ? at.file : `${at.file}:${at.line}`;
  return new Failure("usage", `${place}: ${message}`, { code, hint, subject: place });
}

/**
 * Reads the text of one YAML file of `scope`; undefined for one that holds no value.
 * YAML 1.2 core schema with merge keys, as Spack's reader has it.
 * @throws Failure `config.yaml-invalid`, `config.duplicate-key`
 */
export function parseConfig(
  text: string,
  { file, scope }: { readonly file: string; readonly scope: string },
): ConfigNode | undefined {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, strict: true, uniqueKeys: true });
  const lineOf = (offset: number): number => lines.linePos(offset).line;

  const error = document.errors[0];
  if (error !== undefined) {
    const at = { file, line: lineOf(error.pos[0]) };
    if (error.code === "DUPLICATE_KEY")
      throw configFailure(at, "the key is already there", {
        code: "config.duplicate-key",
        hint: "Remove one of the two.",
      });
    if (error.code === "MULTIPLE_DOCS")
      throw configFailure(at, "a second document begins here", {
        code: "config.yaml-invalid",
        hint: "A file of configuration holds one: take the line --- away, and put what follows into the first.",
      });
    const opened = openedAt(text, document, error);
    if (opened !== undefined)
      throw configFailure(
        { file, line: lineOf(opened) },
        `the ${text[opened]} that is opened here is not closed`,
        {
          code: "config.yaml-invalid",
        },
      );
    throw configFailure(at, firstLine(error.message), { code: "config.yaml-invalid" });
  }
  if (document.contents === null) return undefined;
  const node = new Reader(document, file, (offset) => ({ scope, file, line: lineOf(offset) })).read(
    document.contents,
    0,
  );
  return node.type === "scalar" && node.value === null ? undefined : node;
}

/** Where what is not closed was opened: the parser tells where it found that out, often a line later or many. */
function openedAt(
  text: string,
  document: Document,
  { message, pos: [end] }: YAMLParseError,
): number | undefined {
  if (!/^Missing closing|end with (a )?[\]}]/.test(message)) return undefined;
  let opened: number | undefined;
  visit(document, {
    Node(_, { range }) {
      if (range?.[1] === end && /["'{[]/.test(text[range[0]] ?? "")) opened = range[0];
    },
  });
  return opened;
}

/** The parser's message without its "at line 3, column 5:" and the excerpt below it. */
const firstLine = (message: string): string =>
  (message.split("\n")[0] ?? "").replace(/ at line \d+, column \d+:?$/, "");

class Reader {
  #values = 0;
  readonly #document: Document;
  readonly #file: string;
  readonly #originAt: (offset: number) => Origin;

  constructor(document: Document, file: string, originAt: (offset: number) => Origin) {
    this.#document = document;
    this.#file = file;
    this.#originAt = originAt;
  }

  read(node: unknown, depth: number): ConfigNode {
    const origin = this.#originOf(node);
    if (++this.#values > mostValues || depth > deepest)
      throw configFailure(origin, "too many or too deeply nested values", { code: "config.yaml-invalid" });
    if (isAlias(node)) return this.read(this.#resolved(node, origin), depth + 1);
    if (isScalar(node)) return { type: "scalar", origin, value: this.#scalar(node.value, origin) };
    if (isSeq(node))
      return { type: "list", origin, items: node.items.map((item) => this.read(item, depth + 1)) };
    if (isMap(node)) {
      const entries = new Map<string, MapEntry>();
      const inherited: MapEntry[] = [];
      for (const pair of node.items) {
        const keyOrigin = this.#originOf(pair.key);
        const value =
          pair.value === null
            ? ({ type: "scalar", origin: keyOrigin, value: null } as const)
            : this.read(pair.value, depth + 1);
        const written = isScalar(pair.key) ? String(pair.key.value) : undefined;
        if (written === undefined)
          throw configFailure(keyOrigin, "a key must be a plain text", { code: "config.yaml-invalid" });
        if (isScalar(pair.key) && pair.key.type === "PLAIN" && pair.key.source === "<<") {
          inherited.push({ origin: keyOrigin, replaces: false, value });
          continue;
        }
        // Spack takes a second colon as "replace", but not in a spec (`zlib@1.2:`).
        const replaces = written.endsWith(":") && !written.includes("@");
        const key = replaces ? written.slice(0, -1) : written;
        if (entries.has(key))
          throw configFailure(
            keyOrigin,
            `${key} is already there, on line ${entries.get(key)?.origin.line}`,
            { code: "config.duplicate-key", hint: "Remove one of the two." },
          );
        entries.set(key, { origin: keyOrigin, replaces, value });
      }
      for (const { value, origin: at } of inherited)
        for (const source of value.type === "list" ? value.items : [value]) {
          if (source.type !== "map")
            throw configFailure(at, "<< takes a mapping, or a list of them", { code: "config.yaml-invalid" });
          for (const [key, entry] of source.entries) if (!entries.has(key)) entries.set(key, entry);
        }
      return { type: "map", origin, entries };
    }
    throw configFailure(origin, "not a value that configuration may hold", { code: "config.yaml-invalid" });
  }

  #originOf(node: unknown): Origin {
    const range = isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range : undefined;
    return this.#originAt(range?.[0] ?? 0);
  }

  #resolved(alias: Alias, origin: Origin): unknown {
    const target = alias.resolve(this.#document);
    if (target === undefined)
      throw configFailure(origin, `there is no &${alias.source} before this`, {
        code: "config.yaml-invalid",
      });
    return target;
  }

  #scalar(value: unknown, origin: Origin): Scalar {
    if (value === null || value === undefined) return null;
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
    throw configFailure({ file: this.#file, line: origin.line }, "not a plain value", {
      code: "config.yaml-invalid",
    });
  }
}
