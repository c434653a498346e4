/** Documents of OCI and Spack nest less than twenty levels deep; users' own extra attributes may go on. */
export const mostNesting = 100;

/**
 * Whether a JSON text nests deeper than that. `JSON.parse` reads any depth, but whatever walks or writes what was
 * read recurses, and ends with the stack: so documents from outside are looked at before they are parsed.
 */
export function isTooDeep(json: Uint8Array): boolean {
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (byte === quote) at = endOfString(json, at + 1);
    else if (byte === openList || byte === openObject) {
      if (++depth > mostNesting) return true;
    } else if (byte === closeList || byte === closeObject) depth--;
  }
  return false;
}

/** Where the quote is that ends a string; most of a document is strings, so they are not looked at byte by byte. */
function endOfString(json: Uint8Array, from: number): number {
  for (let end = json.indexOf(quote, from); end >= 0; end = json.indexOf(quote, end + 1)) {
    let escapes = 0;
    while (end - 1 - escapes >= from && json[end - 1 - escapes] === backslash) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return json.length;
}

const [quote, backslash, openList, closeList, openObject, closeObject] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d];
