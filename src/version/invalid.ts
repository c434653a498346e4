import { Failure } from "../base/failure.js";

/** The failure for a text that is no version: names the text, and the place in it (from 0). */
export function invalid(text: string, position: number, found: string): Failure {
  return new Failure("usage", `cannot read version "${shown(text)}": ${found} at position ${position}`, {
    code: "version.invalid",
    hint: "Write a version as 1.2.3, an exact one as =1.2.3, a range as 1.2:1.4, a list as 1.2,1.4:.",
    subject: shown(text),
  });
}

/** A long text is cut: a message is for one line. */
const shown = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}…` : text);
