import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  LineCounter,
  type Pair,
  parseDocument,
  type YAMLMap,
} from "yaml";
import { type Plain, plainOf } from "./node.js";
import { configFailure, parseConfig } from "./parse.js";

/** A change of one value in a YAML file. Maps on the way to it are made where they are missing. */
export type Edit =
  | {
      readonly type: "set";
      readonly path: readonly string[];
      readonly value: Plain;
      readonly first?: boolean;
    }
  | { readonly type: "remove"; readonly path: readonly string[] };

/**
 * Makes the edits by replacing as few characters as possible: comments, order, spacing and all that is not spoken of
 * stay, byte for byte. (Printing the document again would reformat it.)
 * @param text undefined: there is no file yet
 * @throws Failure `config.yaml-invalid`, `config.edit-alias` for what only a person can decide
 */
export function editYaml(text: string | undefined, edits: readonly Edit[], file: string): string {
  return edits.reduce((before, edit) => {
    const after = new Editor(before, file).apply(edit);
    // The result must say exactly what was meant: no file is written on trust in character positions.
    const meant = JSON.stringify(edited(plainAt(before, file), edit));
    if (sorted(JSON.parse(meant)) !== sorted(plainAt(after, file)))
      throw configFailure({ file }, `cannot change ${edit.path.join(":")} without reformatting the file`, {
        code: "config.edit-impossible",
        hint: "Change it by hand.",
      });
    return after;
  }, text ?? "");
}

interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

class Editor {
  readonly #text: string;
  readonly #file: string;
  readonly #document: Document;
  readonly #lines = new LineCounter();
  readonly #newline: string;
  /** Spaces that one more level is indented by. */
  readonly #step: string;

  constructor(text: string, file: string) {
    parseConfig(text, { file, scope: "" });
    this.#text = text;
    this.#file = file;
    this.#document = parseDocument(text, { lineCounter: this.#lines, keepSourceTokens: true, merge: true });
    this.#newline = text.includes("\r\n") ? "\r\n" : "\n";
    this.#step = /\n( +)[^\s#-]/.exec(text)?.[1]?.slice(0, 8) ?? "  ";
  }

  apply(edit: Edit): string {
    const chain = this.#chain(edit.path);
    const splice = edit.type === "set" ? this.#set(edit, chain) : this.#remove(edit, chain);
    if (splice === undefined) return this.#text;
    return this.#text.slice(0, splice.start) + splice.text + this.#text.slice(splice.end);
  }

  /** The pairs along the path, as far as they are there. */
  #chain(path: readonly string[]): Pair[] {
    const chain: Pair[] = [];
    let at: unknown = this.#document.contents;
    for (const key of path) {
      if (isAlias(at)) this.#refuseAlias(at.range?.[0] ?? 0);
      if (!isMap(at)) break;
      const pair = at.items.find((item) => isScalar(item.key) && isKey(item.key.value, key));
      if (pair === undefined) break;
      chain.push(pair);
      at = pair.value;
    }
    return chain;
  }

  #set({ path, value, first }: Edit & { type: "set" }, chain: readonly Pair[]): Splice | undefined {
    const last = chain.at(-1);
    if (last !== undefined && chain.length === path.length) return this.#replace(last, value);
    const rest = path.slice(chain.length);
    const key = rest[0] ?? "";
    const nested = rest.slice(1).reduceRight<Plain>((inner, name) => ({ [name]: inner }), value);
    const parent: unknown = last === undefined ? this.#document.contents : last.value;
    if (isAlias(parent)) this.#refuseAlias(parent.range?.[0] ?? 0);
    if (isMap(parent) && parent.items.length > 0)
      return parent.flow === true
        ? this.#insertFlow(parent, key, nested)
        : this.#insertBlock(parent, last, { key, value: nested, first: first === true && rest.length === 1 });
    if (last !== undefined) return this.#replace(last, { [key]: nested });
    // A file without any value: below its comments.
    const end = parent === null || parent === undefined ? this.#text.length : this.#rangeOf(parent)[0];
    const before = this.#text.slice(0, end);
    const gap = before === "" || before.endsWith("\n") ? "" : this.#newline;
    const after = this.#text.slice(this.#rangeOf(parent)[1] || end).replace(/^\r?\n/, "");
    return {
      start: end,
      end: this.#text.length,
      text: `${gap}${this.#block({ [key]: nested }, "")}${after}`,
    };
  }

  #insertFlow(map: YAMLMap, key: string, value: Plain): Splice {
    const start = this.#rangeOf(map)[0] + 1;
    const space = this.#text[start] === " " ? " " : "";
    return {
      start,
      end: start,
      text: `${space}${scalarText(key)}: ${flowText(value)},${space === "" ? " " : ""}`,
    };
  }

  #insertBlock(
    map: YAMLMap,
    parent: Pair | undefined,
    { key, value, first }: { key: string; value: Plain; first: boolean },
  ): Splice {
    const keyStart = this.#rangeOf(map.items[0]?.key)[0];
    const indent = " ".repeat(this.#lines.linePos(keyStart).col - 1);
    const lines = this.#block({ [key]: value }, indent);
    if (first && parent !== undefined) {
      const at = this.#lineEnd(this.#colonEnd(parent));
      // A comment below the header belongs to what it stands above.
      return { start: at, end: at, text: lines };
    }
    const at = this.#lineEnd(this.#endOf(map));
    const gap = at > 0 && this.#text[at - 1] !== "\n" ? this.#newline : "";
    return { start: at, end: at, text: `${gap}${lines}` };
  }

  #replace(pair: Pair, value: Plain): Splice | undefined {
    const old: unknown = pair.value;
    const colon = this.#colonEnd(pair);
    const absent =
      old === null || old === undefined || (isScalar(old) && this.#rangeOf(old)[0] === this.#rangeOf(old)[1]);
    if (!absent && isScalar(old) && old.value === value) return undefined;
    const inFlow = this.#isInFlow(this.#rangeOf(pair.key)[0]);
    const [start, end] = absent ? [colon, colon] : [this.#rangeOf(old)[0], this.#endOf(old)];
    if (isCompound(value) && !inFlow) {
      const column = this.#lines.linePos(this.#rangeOf(pair.key)[0]).col - 1;
      const block = this.#block(value, " ".repeat(column) + (isList(value) ? "" : this.#step));
      const rest = this.#text.slice(end, this.#lineEnd(end)).trimEnd();
      // A comment behind the old value stays on the line of the key.
      return { start: colon, end: this.#lineEnd(end), text: `${rest}${this.#newline}${block}` };
    }
    const text = isCompound(value) ? flowText(value) : scalarText(value);
    const gap = absent ? " " : "";
    const newline = !absent && this.#text.slice(start, end).endsWith("\n") ? this.#newline : "";
    // What stood on lines of its own moves behind the key.
    if (!absent && this.#text.slice(colon, start).includes("\n"))
      return { start: colon, end, text: ` ${text}${newline}` };
    return { start, end, text: `${gap}${text}${newline}` };
  }

  #remove({ path }: Edit, chain: readonly Pair[]): Splice | undefined {
    const pair = chain.at(-1);
    if (pair === undefined || chain.length < path.length) return undefined;
    const parent = chain.at(-2);
    const map: unknown = parent === undefined ? this.#document.contents : parent.value;
    if (!isMap(map)) return undefined;
    const start = this.#rangeOf(pair.key)[0];
    const end = this.#endOf(pair.value ?? pair.key);
    const index = map.items.indexOf(pair);
    if (map.flow === true) {
      const next = map.items[index + 1];
      const before = map.items[index - 1];
      if (next !== undefined) return { start, end: this.#rangeOf(next.key)[0], text: "" };
      if (before !== undefined) return { start: this.#endOf(before.value ?? before.key), end, text: "" };
      return { start, end, text: "" };
    }
    const lineStart = start - (this.#lines.linePos(start).col - 1);
    const lineEnd = this.#lineEnd(Math.max(end, this.#colonEnd(pair)));
    if (map.items.length > 1) return { start: lineStart, end: lineEnd, text: "" };
    // The last one leaves an empty map, which has to be said.
    if (parent === undefined) return { start: lineStart, end: lineEnd, text: `{}${this.#newline}` };
    const colon = this.#colonEnd(parent);
    return { start: colon, end: lineEnd, text: ` {}${this.#text.slice(colon, lineStart)}` };
  }

  /** Lines of a map or list, each ended. */
  #block(value: Plain, indent: string): string {
    if (!isCompound(value) || isEmpty(value)) return `${indent}${flowText(value)}${this.#newline}`;
    if (isList(value)) return value.map((item) => `${indent}- ${flowText(item)}${this.#newline}`).join("");
    return Object.entries(value)
      .map(([key, inner]) => {
        const head = `${indent}${scalarText(key)}:`;
        if (!isCompound(inner) || isEmpty(inner)) return `${head} ${flowText(inner)}${this.#newline}`;
        return `${head}${this.#newline}${this.#block(inner, isList(inner) ? indent : indent + this.#step)}`;
      })
      .join("");
  }

  #colonEnd(pair: Pair): number {
    const token = pair.srcToken;
    const colon =
      token !== undefined && "sep" in token
        ? token.sep?.find((one) => one.type === "map-value-ind")
        : undefined;
    return colon === undefined ? this.#endOf(pair.key) : colon.offset + 1;
  }

  /** Offset behind a node's last character that is not a comment. */
  #endOf(node: unknown): number {
    if (isMap(node) && node.flow !== true) {
      const last = node.items.at(-1);
      if (last !== undefined)
        return last.value === null || isEmptyScalar(last.value, this.#text)
          ? this.#colonEnd(last)
          : this.#endOf(last.value);
    }
    if (isCollection(node) && node.flow !== true && !isMap(node)) {
      const last = node.items.at(-1);
      if (last !== undefined) return this.#endOf(last);
    }
    return this.#rangeOf(node)[1];
  }

  /** Offset behind the line break of the line that `offset` is in; behind the text for the last one. */
  #lineEnd(offset: number): number {
    if (offset > 0 && this.#text[offset - 1] === "\n") return offset;
    const end = this.#text.indexOf("\n", offset);
    return end < 0 ? this.#text.length : end + 1;
  }

  #isInFlow(offset: number): boolean {
    let found = false;
    const visit = (node: unknown): void => {
      if (!isCollection(node)) return;
      const [start, end] = this.#rangeOf(node);
      if (offset < start || offset >= end) return;
      if (node.flow === true) found = true;
      for (const item of node.items) visit(isMap(node) ? Object(item).value : item);
    };
    visit(this.#document.contents);
    return found;
  }

  #rangeOf(node: unknown): readonly [number, number] {
    const range = isScalar(node) || isCollection(node) || isAlias(node) ? node.range : undefined;
    return range === null || range === undefined ? [0, 0] : [range[0], range[1]];
  }

  #refuseAlias(offset: number): never {
    throw configFailure(
      { file: this.#file, line: this.#lines.linePos(offset).line },
      "cannot change what is an alias (*name) of another value",
      { code: "config.edit-alias", hint: "Change it by hand." },
    );
  }
}

const isKey = (written: unknown, key: string): boolean => written === key || written === `${key}:`;
const isList = (value: Plain): value is readonly Plain[] => Array.isArray(value);
const isCompound = (value: Plain): value is readonly Plain[] | { readonly [key: string]: Plain } =>
  typeof value === "object" && value !== null;
const isEmpty = (value: object): boolean => Object.keys(value).length === 0;
const isEmptyScalar = (node: unknown, text: string): boolean =>
  isScalar(node) &&
  node.range !== null &&
  node.range !== undefined &&
  text.slice(node.range[0], node.range[1]) === "";

/** Plain where YAML reads it back as the same text, else in double quotes. */
function scalarText(value: Plain): string {
  if (typeof value !== "string") return JSON.stringify(value);
  const plain = /^[A-Za-z0-9_/.$][\w./:@+%$~=?&-]*$/.test(value) && !value.endsWith(":");
  return plain && parseDocument(value).toJS() === value ? value : JSON.stringify(value);
}

function flowText(value: Plain): string {
  if (!isCompound(value)) return scalarText(value);
  if (isList(value)) return `[${value.map(flowText).join(", ")}]`;
  return `{${Object.entries(value)
    .map(([key, inner]) => `${scalarText(key)}: ${flowText(inner)}`)
    .join(", ")}}`;
}

function plainAt(text: string, file: string): Plain {
  const node = parseConfig(text, { file, scope: "" });
  return node === undefined ? {} : plainOf(node);
}

/** The edit, on values. */
function edited(value: Plain, { path, ...edit }: Edit): Plain {
  const [key, ...rest] = path;
  if (key === undefined) return edit.type === "set" ? edit.value : value;
  const map = isCompound(value) && !isList(value) ? value : {};
  const below = map[key];
  if (edit.type === "remove") {
    if (below === undefined) return value;
    if (rest.length > 0) return { ...map, [key]: edited(below, { ...edit, path: rest }) };
    return Object.fromEntries(Object.entries(map).filter(([name]) => name !== key));
  }
  return { ...map, [key]: edited(below ?? {}, { ...edit, path: rest }) };
}

const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
