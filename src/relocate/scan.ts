import { bufferOf, createPrefixSearch, isWord, type PrefixMap } from "./prefix-map.js";

/** An old prefix that is still there. */
export interface Leftover {
  readonly offset: number;
  readonly prefix: string;
}

/** Looks at a file chunk by chunk, so that what relocation left is seen without the whole file in memory. */
export interface LeftoverScan {
  /** The next bytes of the file; they are not kept. */
  push(chunk: Uint8Array): void;
  /** What was found, after the last chunk: at most `limit` places, by rising offset. */
  end(): readonly Leftover[];
}

export interface ScanOptions {
  /** How many places are enough to know. */
  readonly limit?: number | undefined;
  /** Paths that may hold an old prefix besides the new ones of the map: aliases. */
  readonly allowed?: readonly string[] | undefined;
}

/**
 * Finds old prefixes that relocation left. One inside a new prefix (`/opt` in `/opt/new`) or at the start of a longer
 * name (`/opt/store2`) is none.
 */
export function createLeftoverScan(
  map: PrefixMap,
  { limit = 100, allowed = [] }: ScanOptions = {},
): LeftoverScan {
  const news = [...map.entries.map(({ to }) => to), ...allowed.map((path) => Buffer.from(path))];
  /** For each old prefix, the new ones it is in, and where. */
  const covers = new Map(
    map.entries.map(({ from }) => [
      from,
      news.flatMap((to) => placesOf(from, to).map((within) => ({ to, within }))),
    ]),
  );
  // A match needs to see a new prefix around it, and one byte of what follows.
  const reach =
    Math.max(0, ...news.map((to) => to.length), ...map.entries.map(({ from }) => from.length)) + 1;
  const found: Leftover[] = [];
  let window: Buffer = Buffer.alloc(0);
  let windowAt = 0;
  let from = 0;

  const search = (until: number): void => {
    const find = createPrefixSearch(window, map);
    while (found.length < limit) {
      const match = find(from);
      if (match === undefined || match.at >= until) break;
      const { at, entry } = match;
      const end = at + entry.from.length;
      const covered = covers
        .get(entry.from)
        ?.some(
          ({ to, within }) =>
            at >= within && window.subarray(at - within, at - within + to.length).equals(to),
        );
      if (covered === true || isWord(window[end])) from = at + 1;
      else {
        found.push({ offset: windowAt + at, prefix: entry.from.toString() });
        from = end;
      }
    }
    from = Math.max(from, until);
  };
  return {
    push(chunk) {
      window = window.length === 0 ? bufferOf(chunk) : Buffer.concat([window, chunk]);
      search(Math.max(from, window.length - reach));
      const dropped = Math.max(0, from - reach);
      window = Buffer.from(window.subarray(dropped));
      windowAt += dropped;
      from -= dropped;
    },
    end() {
      search(window.length);
      return found;
    },
  };
}

/** The same for bytes at hand. */
export function leftoversIn(
  bytes: Uint8Array,
  map: PrefixMap,
  options: ScanOptions = {},
): readonly Leftover[] {
  const scan = createLeftoverScan(map, options);
  scan.push(bytes);
  return scan.end();
}

/** Every place in `to` at which `from` stands. */
function placesOf(from: Buffer, to: Buffer): number[] {
  const places: number[] = [];
  for (let at = to.indexOf(from); at !== -1; at = to.indexOf(from, at + 1)) places.push(at);
  return places;
}
