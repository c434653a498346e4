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
export const isReleasePhase = (component: string): boolean =>
  !isNumber(component) && prereleaseRank.has(component);

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

/** Whether a component is digits; else it is letters. */
export const isNumber = (component: string): boolean => component.charCodeAt(0) < 0x3a;

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

/**
 * The place of a version.
 * @param components digits without leading zeros, or letters: the release, then from `phaseStart` on the
 *   phase: nothing, or a name and perhaps a number
 */
export function placeOf(components: readonly string[], phaseStart: number): Place {
  const pieces: string[] = [];
  for (let i = 0; i < phaseStart; i++) pieces.push(pieceOf(components[i] ?? ""));
  return placeAt(pieces, phasePiece(components[phaseStart], components[phaseStart + 1]));
}

/**
 * The place where the range that ends with this version ends: its last component is one higher.
 * As in Spack, the range 1.2 so holds 1.2.9, and 1.3-alpha too, which is older than 1.3.
 */
export function placeAfter(release: readonly string[], [name, number]: readonly string[]): Place {
  const pieces = release.map(pieceOf);
  if (name !== undefined && name !== "final")
    return placeAt(pieces, phasePiece(name, number === undefined ? "0" : increment(number)));
  const last = release.at(-1);
  pieces.splice(-1, 1, last === undefined ? `${WORD}A` : pieceAfter(last));
  return placeAt(pieces, phasePiece(name, number));
}

function placeAt(release: readonly string[], phase: string): Place {
  let key = "";
  for (const piece of release) key += piece;
  return { rank: rankOf(release), key: key + END + phase };
}

/** A phase (`alpha`, `beta`, `rc`, `final`) and its number, as they stand at the end of a version. */
const phasePiece = (name: string | undefined, number: string | undefined): string =>
  String.fromCharCode(1 + (prereleaseRank.get(name ?? "final") ?? 0)) +
  (number === undefined ? "" : numberPiece(number));

/** Monotone in the key: equal ranks say nothing. What follows a component that was cut off counts no more. */
function rankOf(pieces: readonly string[]): number {
  let rank = 0;
  let exact = true;
  for (let i = 0; i < widths.length; i++) {
    const width = widths[i] ?? 1;
    const piece: string | undefined = exact ? pieces[i] : undefined;
    const digit: number = piece === undefined ? 0 : digitOf(piece, width);
    exact = digit > 1 && digit < width - 2;
    rank = rank * width + digit;
  }
  return rank;
}

/** 0 is no component, 1 a word, the two last ones a number that does not fit, and infinity. */
function digitOf(piece: string, width: number): number {
  if (piece.startsWith(WORD)) return 1;
  if (piece.startsWith(INFINITY)) return width - 1;
  // No number of more digits fits.
  return piece.length > 12 ? width - 2 : Math.min(Number(piece.slice(2)) + 2, width - 2);
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
