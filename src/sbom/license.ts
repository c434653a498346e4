import { exceptionIds, licenseIds } from "./license-ids.js";

/**
 * A license expression (SPDX 2.3, annex D) of what a recipe says. Words that are no licenses of the SPDX list become
 * references (`custom`: `LicenseRef-custom`); undefined where it is no expression at all.
 */
export function licenseExpression(text: string): string | undefined {
  const words: string[] = [];
  let depth = 0;
  let wanted: "license" | "exception" | "operator" = "license";
  for (const word of text.match(/\(|\)|[^\s()]+/g) ?? []) {
    if (word === "(" && wanted === "license") depth += 1;
    else if (word === ")" && wanted === "operator" && depth > 0) depth -= 1;
    else if (wanted === "operator") {
      if (word !== "AND" && word !== "OR" && word !== "WITH") return undefined;
      wanted = word === "WITH" ? "exception" : "license";
    } else if (wanted === "exception") {
      if (!exceptionIds.has(word)) return undefined;
      wanted = "operator";
    } else {
      const license = licenseOf(word);
      if (license === undefined) return undefined;
      wanted = "operator";
      words.push(license);
      continue;
    }
    words.push(word);
  }
  const isWhole = depth === 0 && wanted === "operator";
  return isWhole ? words.join(" ").replaceAll("( ", "(").replaceAll(" )", ")") : undefined;
}

function licenseOf(word: string): string | undefined {
  if (licenseIds.has(word.replace(/\+$/, "")) || /^LicenseRef-[A-Za-z0-9.-]+$/.test(word)) return word;
  if (!/^[A-Za-z0-9.-]+$/.test(word) || /^(?:AND|OR|WITH|NONE|NOASSERTION)$/.test(word)) return undefined;
  return `LicenseRef-${word}`;
}

/** The references in an expression, each of which a document must explain. */
export const licenseReferences = (expression: string): readonly string[] =>
  expression.match(/\bLicenseRef-[A-Za-z0-9.-]+/g) ?? [];
