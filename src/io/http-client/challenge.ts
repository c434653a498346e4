/** One challenge of a `WWW-Authenticate` header (RFC 9110, 11.6.1). Scheme and parameter names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const parameter = new RegExp(`(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s,"]+))`, "y");
const scheme = new RegExp(`(${token})(?:\\s+|(?=,)|$)`, "y");
const separator = /[\s,]*/y;

/**
 * Parses a header of any number of challenges. Empty list elements are allowed (RFC 9110, 5.6.1.2).
 * @returns undefined where it is not well-formed, or empty
 */
export function parseChallenges(header: string): readonly Challenge[] | undefined {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
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
      const current = challenges.at(-1);
      if (current === undefined) return undefined;
      current.parameters.set(name.toLowerCase(), value);
      continue;
    }
    const [, word] = take(scheme) ?? [];
    if (word === undefined) return undefined;
    challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
  }
}
