import { invalid } from "./invalid.js";
import { isInfinity, isNumber, isReleasePhase, type Place, placeOf } from "./order.js";

/** A version made of numbers and letters: `1.2.3`, `develop`, `2024a`, `1.0-rc1`. */
export interface StandardVersion extends Place {
  readonly kind: "standard";
  /** As written. */
  readonly text: string;
}

/** What a version is made of. */
export interface Segments {
  /** The release: digits without leading zeros, or letters. */
  readonly release: readonly string[];
  /** Phase of a prerelease: nothing, or `alpha`, `beta`, `rc` (or `final`), and perhaps its number. */
  readonly phase: readonly string[];
  /** What stood after each component of release and phase: any run of `.`, `-`, `_`. */
  readonly separators: readonly string[];
}

/** Python, and so Spack, reads no longer number. */
const mostDigits = 4300;

/**
 * Reads one standard version; the empty text is the version without components.
 * @param whole text that `text` was taken from, starting at `from`: what a failure names
 * @throws Failure `version.invalid`
 */
export function parseStandardVersion(text: string, { whole = text, from = 0 } = {}): StandardVersion {
  const components: string[] = [];
  let at = endOfRun(text, 0, "separator");
  while (at < text.length) {
    const kind = kindAt(text, at);
    if (kind === undefined) throw invalid(whole, from + at, "a character that may not stand");
    const end = endOfRun(text, at, kind);
    if (kind === "digit" && end - at > mostDigits)
      throw invalid(whole, from + at, `a number of more than ${mostDigits} digits`);
    components.push(componentOf(text.slice(at, end)));
    at = endOfRun(text, end, "separator");
  }
  const { rank, key } = placeOf(components, phaseStart(components));
  // One literal, in one order: every version has the same hidden class, which keeps comparing fast.
  return { kind: "standard", rank, key, text };
}

export function segmentsOf({ text }: StandardVersion): Segments {
  const found = [...text.matchAll(/([0-9]+|[A-Za-z]+)([_.-]*)/g)];
  const release = found.map(([, component = ""]) => componentOf(component));
  const phase = release.splice(phaseStart(release));
  return { release, phase, separators: found.map(([, , separator = ""]) => separator) };
}

const componentOf = (text: string): string => (text.startsWith("0") ? text.replace(/^0+(?=.)/, "") : text);

type CharacterKind = "digit" | "letter" | "separator";

function kindAt(text: string, index: number): CharacterKind | undefined {
  const unit = text.charCodeAt(index);
  if (unit >= 0x30 && unit <= 0x39) return "digit";
  if ((unit >= 0x61 && unit <= 0x7a) || (unit >= 0x41 && unit <= 0x5a)) return "letter";
  return unit === 0x2e || unit === 0x2d || unit === 0x5f ? "separator" : undefined;
}

function endOfRun(text: string, start: number, kind: CharacterKind): number {
  let at = start;
  while (at < text.length && kindAt(text, at) === kind) at += 1;
  return at;
}

/** Where the phase begins: `1.0-rc1` and `1.0-rc` end in one, `rc1` alone does not. */
function phaseStart(components: readonly string[]): number {
  const { length } = components;
  const numbered = isNumber(components[length - 1] ?? "");
  const start = numbered ? length - 2 : length - 1;
  return start > 0 && isReleasePhase(components[start] ?? "") ? start : length;
}

/**
 * The text made anew from the components: without leading zeros and outer separators. Spack drops the word
 * `final` too, and so prints 1.0final2 as 1.02: it is kept here.
 */
export function normalizedText(version: StandardVersion): string {
  const { release, phase, separators } = segmentsOf(version);
  const [name, number] = phase;
  let text = release.map((component, i) => component + separators[i]).join("");
  if (name !== undefined) text += name;
  if (number !== undefined) text += `${separators[release.length]}${number}`;
  return text;
}

/**
 * The first `count` components of the release (as in a slice, a negative count leaves out that many at the
 * end); a phase is left out.
 */
export function upTo(version: StandardVersion, count: number): StandardVersion {
  const { release, separators } = segmentsOf(version);
  const kept = release.slice(0, count);
  const text = kept.map((part, i) => (i < kept.length - 1 ? part + separators[i] : part)).join("");
  return parseStandardVersion(text);
}

const separated = (version: StandardVersion, separator: string): StandardVersion =>
  parseStandardVersion(version.text.replace(/[-_.]/g, separator));

export const dotted = (version: StandardVersion): StandardVersion => separated(version, ".");
export const dashed = (version: StandardVersion): StandardVersion => separated(version, "-");
export const underscored = (version: StandardVersion): StandardVersion => separated(version, "_");
export const joined = (version: StandardVersion): StandardVersion => separated(version, "");

/** Whether a component is one of the names newer than any number: `develop main master head trunk nightly stable`. */
export const isDevelop = (version: StandardVersion): boolean => segmentsOf(version).release.some(isInfinity);

/** Whether it comes before a release: ends in `alpha`, `beta` or `rc`, perhaps with a number. */
export function isPrerelease(version: StandardVersion): boolean {
  const [name] = segmentsOf(version).phase;
  return name !== undefined && name !== "final";
}
