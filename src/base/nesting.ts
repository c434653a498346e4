/** Documents of OCI and Spack nest less than twenty levels deep; users' own extra attributes may go on. */
export const mostNesting = 100;

/**
 * Whether a JSON text nests deeper than that. `JSON.parse` reads any depth, but whatever walks or writes what was
 * read recurses, and ends with the stack: so documents from outside are looked at before they are parsed.
 */
export function isTooDeep(json: Uint8Array): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (inString) {
      if (byte === backslash) at++;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else if (byte === openList || byte === openObject) {
      if (++depth > mostNesting) return true;
    } else if (byte === closeList || byte === closeObject) depth--;
  }
  return false;
}

const [quote, backslash, openList, closeList, openObject, closeObject] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d];
