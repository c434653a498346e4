/** One challenge of a `WWW-Authenticate` header (RFC 9110, 11.6.1). Scheme and parameter names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const end = "(?=[ \\t]*(?:,|$))";
const parameter = new RegExp(`(${token})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))${end}`, "y");
/** With credentials after it (`Negotiate YWJj=`), with parameters (a space comes first), or with nothing. */
const scheme = new RegExp(`(${token})(?: +[\\w.~+/-]+=*${end}|( +)(?=${token}[ \\t]*=)|( *)${end})`, "y");
const separator = /[ \t,]*/y;

/**
 * Parses a header of any number of challenges. Empty list elements are allowed (RFC 9110, 5.6.1.2).
 * @returns undefined where it is not well-formed, or empty
 */
export function parseChallenges(header: string): readonly Challenge[] | undefined {
  const challenges: Challenge[] = [];
  /** Of the challenge that is being read, where it may have some. */
  let parameters: Map<string, string> | undefined;
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(header);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  for (;;) {
    take(separator);
    if (at >= header.length) return challenges.length > 0 ? challenges : undefined;
    const [, name, quoted, plain] = take(parameter) ?? [];
    if (name !== undefined) {
      const value = quoted?.replace(/\\(.)/g, "$1") ?? plain ?? "";
      if (parameters === undefined) return undefined;
      // None may come twice; the first counts.
      if (!parameters.has(name.toLowerCase())) parameters.set(name.toLowerCase(), value);
      continue;
    }
    const [, word, space, last] = take(scheme) ?? [];
    if (word === undefined) return undefined;
    const own = new Map<string, string>();
    challenges.push({ scheme: word.toLowerCase(), parameters: own });
    parameters = space || last ? own : undefined;
  }
}
