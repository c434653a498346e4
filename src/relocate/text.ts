import { concat } from "../base/bytes.js";
import { createPrefixSearch, isWord, type PrefixMap } from "./prefix-map.js";

/**
 * Replaces old prefixes in a text file, as Spack does with
 * `(?<![\w\-_/])([\w\-_]*?)(OLD)([\w\-_/]*)` over bytes: an old prefix counts only where a path starts (`-I/old`
 * is one, `/mnt/old` is not), and what follows it in the same word is not looked at again.
 * @returns undefined where nothing changes
 */
export function relocateText(bytes: Uint8Array, map: PrefixMap): Uint8Array | undefined {
  const find = createPrefixSearch(bytes, map);
  const pieces: Uint8Array[] = [];
  let copied = 0;
  for (let from = 0; ; ) {
    const match = find(from);
    if (match === undefined) break;
    if (!startsPath(bytes, match.at)) {
      from = match.at + 1;
      continue;
    }
    pieces.push(bytes.subarray(copied, match.at), match.entry.to);
    copied = match.at + match.entry.from.length;
    from = copied;
    while (from < bytes.length && (isWord(bytes[from]) || bytes[from] === slash)) from += 1;
  }
  return pieces.length === 0 ? undefined : concat([...pieces, bytes.subarray(copied)]);
}

/**
 * Whether the slash at `at` is the first of its path: before it, only word characters back to something that is
 * neither word nor slash. An old prefix starts with a slash, so each byte is stepped over at most once.
 */
function startsPath(bytes: Uint8Array, at: number): boolean {
  let before = at - 1;
  while (before >= 0 && isWord(bytes[before])) before -= 1;
  return before < 0 || bytes[before] !== slash;
}

const slash = 0x2f;
