/**
 * A place in the total order of versions. `key` alone decides: keys compare as strings, unit by unit.
 * `rank` is a coarse number read off the same components, so that most comparisons end at one subtraction.
 */
export interface Place {
  readonly rank: number;
  readonly key: string;
}

export const comparePlaces = (a: Place, b: Place): number =>
  a.rank - b.rank || (a.key === b.key ? 0 : a.key < b.key ? -1 : 1);

/** Names that are newer than any number, in their order: `develop` is the newest. */
const infinityNames = ["stable", "nightly", "trunk", "head", "master", "main", "develop"];
const infinityRank = new Map(infinityNames.map((name, index) => [name, index]));
export const isInfinity = (component: string): boolean => infinityRank.has(component);

const prereleaseRank = new Map([
  ["alpha", 0],
  ["beta", 1],
  ["rc", 2],
  ["final", 3],
]);
export const isReleasePhase = (component: string): boolean => prereleaseRank.has(component);

// First unit of each piece of a key. They follow Spack's order of components, and all of them sort below
// letters, so that "a" followed by any piece comes before "ab". The end of the release comes first:
// 1.2 is older than 1.2.anything.
const END = "\x01";
const WORD = "\x02";
const NUMBER = "\x03";
const INFINITY = "\x04";

/** Before every version, after every version: the ends of `:`. */
export const lowest: Place = { rank: Number.NEGATIVE_INFINITY, key: "" };
export const highest: Place = { rank: Number.POSITIVE_INFINITY, key: "\xff" };

const isNumber = (component: string): boolean => component.charCodeAt(0) < 0x3a;

/** Numbers are held as digits without leading zeros, so a longer one is larger: the length comes first. */
function numberPiece(digits: string): string {
  const { length } = digits;
  return length < 0xff
    ? NUMBER + String.fromCharCode(length) + digits
    : `${NUMBER}\xff${String.fromCharCode(length >> 8, length & 0xff)}${digits}`;
}

function pieceOf(component: string): string {
  if (isNumber(component)) return numberPiece(component);
  const infinity = infinityRank.get(component);
  return infinity === undefined ? WORD + component : infinityPiece(infinity);
}

const infinityPiece = (index: number): string => INFINITY + String.fromCharCode(index + 1);

/** Bits of `rank` for the first, second and third component: dates fit the first. Together below 2^53. */
const widths = [2 ** 25, 2 ** 14, 2 ** 14];

/** Monotone in the key: equal ranks say nothing. What follows a component that was cut off counts no more. */
function rankOf(pieces: readonly string[]): number {
  let rank = 0;
  let exact = true;
  for (let i = 0; i < widths.length; i++) {
    const width = widths[i] ?? 1;
    const piece = pieces[i];
    let digit = 0;
    if (exact && piece !== undefined) {
      const number = piece.startsWith(NUMBER) ? Number(piece.slice(2)) + 2 : undefined;
      exact = number !== undefined && number < width - 2;
      if (exact) digit = number ?? 0;
      else digit = piece.startsWith(WORD) ? 1 : piece.startsWith(NUMBER) ? width - 2 : width - 1;
    }
    rank = rank * width + digit;
  }
  return rank;
}

function placeOf(release: readonly string[], phase: string): Place {
  return { rank: rankOf(release), key: release.join("") + END + phase };
}

/** A phase (`alpha`, `beta`, `rc`, `final`) and its number, as they stand at the end of a version. */
function phasePiece(phase: readonly string[]): string {
  const [name, number] = phase;
  const rank = name === undefined ? 3 : (prereleaseRank.get(name) ?? 3);
  return String.fromCharCode(rank + 1) + (number === undefined ? "" : numberPiece(number));
}

/**
 * @param components of the release: digits without leading zeros, or letters
 * @param phase nothing, or a name and perhaps a number
 */
export const placeOfVersion = (components: readonly string[], phase: readonly string[]): Place =>
  placeOf(components.map(pieceOf), phasePiece(phase));

/**
 * The place where the range that ends with this version ends: its last component is one higher.
 * As in Spack, the range 1.2 so holds 1.2.9, and 1.3-alpha too, which is older than 1.3.
 */
export function placeAfter(components: readonly string[], phase: readonly string[]): Place {
  const [name, number] = phase;
  if (name !== undefined && name !== "final")
    return placeOfVersion(components, [name, number === undefined ? "0" : increment(number)]);
  const pieces = components.map(pieceOf);
  const last = components.at(-1);
  if (last === undefined) pieces.push(`${WORD}A`);
  else pieces[pieces.length - 1] = pieceAfter(last);
  return placeOf(pieces, phasePiece(phase));
}

function pieceAfter(component: string): string {
  if (isNumber(component)) return numberPiece(increment(component));
  const infinity = infinityRank.get(component);
  if (infinity !== undefined) return infinityPiece(infinity + 1);
  let word = wordAfter(component);
  // The word that follows must be a word: "mastes" comes after "masteq".
  while (isInfinity(word)) word = wordAfter(word);
  return WORD + word;
}

const increment = (digits: string): string =>
  digits.length < 15 ? String(Number(digits) + 1) : String(BigInt(digits) + 1n);

/** Letters run A–Z, then a–z; after "z" comes "zA". */
function wordAfter(word: string): string {
  const last = word.charCodeAt(word.length - 1);
  if (last === 0x7a) return `${word}A`;
  return word.slice(0, -1) + (last === 0x5a ? "a" : String.fromCharCode(last + 1));
}
