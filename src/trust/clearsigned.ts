import { textOf, utf8 } from "../base/bytes.js";
import { Failure } from "../base/failure.js";

/**
 * A text with an OpenPGP signature round it (RFC 9580, section 7), taken apart and not yet verified.
 *
 * Everything outside `text` and `armor` is unsigned, and so there may be none of it: what stands before or after,
 * other armor headers than `Hash`, a second document. Readers that skip such things have been fooled with them.
 */
export interface Clearsigned {
  /** What is signed: dash-escapes undone, blanks at ends of lines removed, lines ended by LF, none after the last. */
  readonly text: Uint8Array;
  /** The armored signature block. */
  readonly armor: string;
  /** The algorithms that the `Hash` headers name: `SHA512`. */
  readonly hashes: readonly string[];
}

const begin = "-----BEGIN PGP SIGNED MESSAGE-----";
const beginSignature = "-----BEGIN PGP SIGNATURE-----";
const endSignature = "-----END PGP SIGNATURE-----";

/** GnuPG signs no more of a line than this (common/iobuf.h MAX_LINELEN), so what follows would be unsigned. */
export const longestLine = 19_995;

/** Whether a document claims to be signed: it starts as one, also where its signature was cut off. */
export function isClearsigned(document: Uint8Array): boolean {
  return utf8(begin).every((byte, at) => document[at] === byte);
}

/**
 * Takes a clearsigned document apart.
 * @throws Failure `gpg.signature-missing` where it is not signed, `gpg.document-malformed` where anything is odd
 */
export function parseClearsigned(document: Uint8Array, subject: string): Clearsigned {
  if (!isClearsigned(document))
    throw new Failure("corrupt", `${subject} carries no signature`, {
      code: "gpg.signature-missing",
      subject,
      hint: "Its mirror says that its packages are signed: ask who runs it; --no-check-signature takes it unsigned.",
    });
  const source = textOf(document);
  if (source === undefined) throw malformed(subject, "is not UTF-8");
  const lines = source.split("\n").map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
  const empty = lines.indexOf("");
  const first = lines.indexOf(beginSignature);
  const last = lines.indexOf(endSignature);
  if (lines[0] !== begin || empty === -1) throw malformed(subject, "has no empty line after its headers");
  if (first < empty || last < first) throw malformed(subject, "ends before its signature does");
  const after = lines.slice(last + 1).find((line) => line !== "");
  if (after !== undefined) throw malformed(subject, "goes on after its signature");
  return {
    text: utf8(textBetween(lines.slice(empty + 1, first), subject)),
    armor: `${lines.slice(first, last + 1).join("\n")}\n`,
    hashes: lines.slice(1, empty).flatMap((line) => {
      const names = /^Hash: *([A-Z0-9/-]+(?:, *[A-Z0-9/-]+)*)$/.exec(line)?.[1];
      if (names === undefined) throw malformed(subject, "has another header than Hash before its text");
      return names.split(/, */);
    }),
  };
}

function textBetween(lines: readonly string[], subject: string): string {
  return lines
    .map((line) => {
      if (line.startsWith("-") && !line.startsWith("- "))
        throw malformed(subject, "has a line that starts with a dash unescaped");
      return signedPart(line.startsWith("- ") ? line.slice(2) : line, subject);
    })
    .join("\n");
}

/** What of a line is signed. Of characters that tools treat differently (a lone CR, NUL, and their like) there may be none. */
function signedPart(line: string, subject: string): string {
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(line)) throw malformed(subject, "has control characters");
  if (utf8(line).byteLength > longestLine) throw malformed(subject, `has a line over ${longestLine} bytes`);
  return line.replace(/[ \t]+$/, "");
}

const malformed = (subject: string, found: string): Failure =>
  new Failure("corrupt", `${subject} ${found}, so that its signature cannot be trusted`, {
    code: "gpg.document-malformed",
    subject,
  });
