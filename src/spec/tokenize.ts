import { syntaxFailure } from "./syntax-failure.js";

/** The words of the spec language; those of `file` name a spec file. */
export type TokenKind =
  | "edge-start"
  | "edge-end"
  | "dependency"
  | "version"
  | "bool"
  | "propagated-bool"
  | "pair"
  | "propagated-pair"
  | "file"
  | "full-name"
  | "name"
  | "hash";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly start: number;
  /** `c,cxx=gcc` after a sigil: the virtuals, and the package that stands for them. */
  readonly assignment?: { readonly virtuals: readonly string[]; readonly name: string } | undefined;
}

// All expressions are sticky: they match at one place or not at all. None can match one text in two ways,
// save for where a version ends (at the last end of a word), so each takes time in line with what it reads.
const identifier = "[a-zA-Z_0-9][a-zA-Z_0-9-]*";
const version = "=?[a-zA-Z0-9_][a-zA-Z_0-9.-]*\\b";
const range = `(?:${version})?:(?:${version}(?!\\s*=))?`;
const gitRef = "(?:git\\.[a-zA-Z_0-9][a-zA-Z_0-9./-]*|[A-Fa-f0-9]{40})";

const edgeStart = /(?:\^|%%|%)\[/y;
const sigil = /\^|%%|%/y;
const assignment = new RegExp(
  `\\s*(${identifier}(?:,${identifier})*)=(${identifier}(?:\\.${identifier})+|${identifier})`,
  "y",
);
const gitVersion = new RegExp(`@${gitRef}(?:=${version})?`, "y");
const versionList = new RegExp(`@\\s*(?:${range}|${version})(?:\\s*,\\s*(?:${range}|${version}))*`, "y");
const propagatedBool = /(?:\+\+|~~|--)\s*[a-zA-Z_0-9][a-zA-Z_0-9.-]*/y;
const bool = /[~+-]\s*[a-zA-Z_0-9][a-zA-Z_0-9.-]*/y;
const propagatedKey = /[a-zA-Z_0-9][a-zA-Z_0-9.-]*:?==/y;
const key = /[a-zA-Z_0-9][a-zA-Z_0-9.-]*:?=/y;
const bareValue = /[a-zA-Z_0-9\-+*.,:=%^~/\\]+/y;
const filePrefix = /\.|\/|[a-zA-Z0-9_-]*\//y;
const fileRun = /[a-zA-Z0-9_./-]*/y;
const fullName = new RegExp(`${identifier}(?:\\.${identifier})+`, "y");
const name = new RegExp(`${identifier}|\\*`, "y");
const hash = /\/[a-zA-Z_0-9]+/y;
const space = /\s+/y;

/**
 * Cuts a text into the words of the spec language. At each place the first kind that fits is taken, in
 * Spack's order (spec_parser.py, `SpecTokens`).
 * @throws Failure `spec.syntax`
 */
export function* tokenize(text: string): Generator<Token, undefined> {
  let at = 0;

  const endOf = (expression: RegExp, from = at): number => {
    expression.lastIndex = from;
    return expression.test(text) ? expression.lastIndex : -1;
  };
  const fileEnd = createFileFinder(text);

  const take = (kind: TokenKind, end: number): Token | undefined =>
    end <= at ? undefined : { kind, text: text.slice(at, end), start: at };
  const takeWithAssignment = (kind: TokenKind, end: number): Token | undefined => {
    if (end <= at) return undefined;
    assignment.lastIndex = end;
    const [whole = "", virtuals, substitute] = assignment.exec(text) ?? [];
    const given =
      virtuals === undefined || substitute === undefined
        ? undefined
        : { virtuals: virtuals.split(","), name: substitute };
    return { kind, text: text.slice(at, end + whole.length), start: at, assignment: given };
  };
  const pairEnd = (start: RegExp): number => {
    const end = endOf(start);
    return end < 0 ? -1 : Math.max(endOf(bareValue, end), quotedEnd(text, end));
  };

  while (at < text.length) {
    const token =
      take("edge-start", endOf(edgeStart)) ??
      takeWithAssignment("edge-end", text[at] === "]" ? at + 1 : -1) ??
      takeWithAssignment("dependency", endOf(sigil)) ??
      take("version", endOf(gitVersion)) ??
      take("version", endOf(versionList)) ??
      take("propagated-bool", endOf(propagatedBool)) ??
      take("bool", endOf(bool)) ??
      take("propagated-pair", pairEnd(propagatedKey)) ??
      take("pair", pairEnd(key)) ??
      take("file", fileEnd(at, endOf(filePrefix))) ??
      take("full-name", endOf(fullName)) ??
      take("name", endOf(name)) ??
      take("hash", endOf(hash));
    const end = token === undefined ? endOf(space) : at + token.text.length;
    if (end < 0)
      throw syntaxFailure(text, { start: at, reason: `nothing in a spec starts with ${shown(text, at)}` });
    at = end;
    if (token !== undefined) yield token;
  }
  return undefined;

  /** The name of a file ends with its last `.json` or `.yaml`. What one run of such characters holds is looked at once. */
  function createFileFinder(whole: string): (start: number, prefixEnd: number) => number {
    let known = { end: -1, last: -1 };
    return (start, prefixEnd) => {
      if (prefixEnd < 0) return -1;
      if (start >= known.end) {
        const end = endOf(fileRun, prefixEnd);
        const run = whole.slice(start, end);
        const last = Math.max(run.lastIndexOf(".json"), run.lastIndexOf(".yaml"));
        known = { end, last: last < 0 ? -1 : start + last };
      }
      return known.last >= prefixEnd ? known.last + ".json".length : -1;
    };
  }
}

/** The end of a quoted value: its first quote that no backslash precedes, else the last one; -1 for none. */
function quotedEnd(text: string, start: number): number {
  const quote = text[start];
  if (quote !== "'" && quote !== '"') return -1;
  let last = -1;
  for (let at = text.indexOf(quote, start + 1); at >= 0; at = text.indexOf(quote, at + 1)) {
    last = at + 1;
    if (text[at - 1] !== "\\") break;
  }
  return last;
}

const shown = (text: string, at: number): string =>
  JSON.stringify(String.fromCodePoint(text.codePointAt(at) ?? 0));
