import { Failure } from "../base/failure.js";

/** Characters of a long text that a message shows on each side of the place. */
const shownAround = 60;

/** The failure for a text that is no spec: the reason, the line, and carets under the place. */
export function syntaxFailure(
  text: string,
  { start, end = start + 1, reason, cause }: { start: number; end?: number; reason: string; cause?: unknown },
): Failure {
  const from = Math.max(0, start - shownAround);
  const to = Math.min(text.length, start + shownAround);
  const before = from > 0 ? "…" : "";
  // One character a column: line ends and other controls would move what follows.
  const line = text.slice(from, to).replace(/[\p{Cc}\u2028\u2029]/gu, " ");
  const indent = " ".repeat(before.length + start - from);
  const carets = "^".repeat(Math.max(1, Math.min(end, to) - start));
  return new Failure(
    "usage",
    `Cannot read spec: ${reason}\n  ${before}${line}${to < text.length ? "…" : ""}\n  ${indent}${carets}`,
    { code: "spec.syntax", subject: line, cause },
  );
}
