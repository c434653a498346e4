import { invalid } from "./invalid.js";
import { isInfinity, isReleasePhase, type Place, placeOfVersion } from "./order.js";

/** A version made of numbers and letters: `1.2.3`, `develop`, `2024a`, `1.0-rc1`. */
export interface StandardVersion extends Place {
  readonly kind: "standard";
  /** As written. */
  readonly text: string;
  /** The release: digits without leading zeros, or letters. */
  readonly release: readonly string[];
  /** Phase of a prerelease: nothing, or `alpha`, `beta`, `rc` (or `final`), and perhaps its number. */
  readonly phase: readonly string[];
  /** What stood after each component of release and phase: any run of `.`, `-`, `_`. */
  readonly separators: readonly string[];
}

const forbidden = /[^A-Za-z0-9_.-]/;
const segment = /([0-9]+|[A-Za-z]+)([_.-]*)/g;
/** Python, and so Spack, reads no longer number. */
const mostDigits = 4300;

/**
 * Reads one standard version; the empty text is the version without components.
 * @param whole text that `text` was taken from, starting at `from`: what a failure names
 * @throws Failure `version.invalid`
 */
export function parseStandardVersion(text: string, { whole = text, from = 0 } = {}): StandardVersion {
  const bad = text.search(forbidden);
  if (bad >= 0) throw invalid(whole, from + bad, "a character that may not stand");
  const components: string[] = [];
  const separators: string[] = [];
  for (const { 1: component = "", 2: separator = "", index } of text.matchAll(segment)) {
    const digits = component.charCodeAt(0) < 0x3a;
    if (digits && component.length > mostDigits)
      throw invalid(whole, from + index, `a number of more than ${mostDigits} digits`);
    components.push(digits ? component.replace(/^0+(?=.)/, "") : component);
    separators.push(separator);
  }
  const phase = components.splice(phaseStart(components));
  const place = placeOfVersion(components, phase);
  // One literal, in one order: every version has the same hidden class, which keeps comparing fast.
  return { kind: "standard", rank: place.rank, key: place.key, text, release: components, phase, separators };
}

/** Where the phase begins: `1.0-rc1` and `1.0-rc` end in one, `rc1` alone does not. */
function phaseStart(components: readonly string[]): number {
  const { length } = components;
  if (
    length >= 3 &&
    isReleasePhase(components[length - 2] ?? "") &&
    /^[0-9]/.test(components[length - 1] ?? "")
  )
    return length - 2;
  if (length >= 2 && isReleasePhase(components[length - 1] ?? "")) return length - 1;
  return length;
}

/** The text made anew from the components: without leading zeros and outer separators. */
export function normalizedText({ release, phase, separators }: StandardVersion): string {
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
  const kept = version.release.slice(0, count);
  const text = kept.map((part, i) => (i < kept.length - 1 ? part + version.separators[i] : part)).join("");
  return parseStandardVersion(text);
}

const separated = (version: StandardVersion, separator: string): StandardVersion =>
  parseStandardVersion(version.text.replace(/[-_.]/g, separator));

export const dotted = (version: StandardVersion): StandardVersion => separated(version, ".");
export const dashed = (version: StandardVersion): StandardVersion => separated(version, "-");
export const underscored = (version: StandardVersion): StandardVersion => separated(version, "_");
export const joined = (version: StandardVersion): StandardVersion => separated(version, "");

/** Whether a component is one of the names newer than any number: `develop main master head trunk nightly stable`. */
export const isDevelop = (version: StandardVersion): boolean => version.release.some(isInfinity);

/** Whether it comes before a release: ends in `alpha`, `beta` or `rc`, perhaps with a number. */
export const isPrerelease = ({ phase }: StandardVersion): boolean => phase.length > 0 && phase[0] !== "final";
