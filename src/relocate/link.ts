import { type PrefixMap, replaceStart } from "./prefix-map.js";

/** The target of a symbolic link with an old prefix at its start replaced; undefined where it stays. */
export function relocateLink(target: string, map: PrefixMap): string | undefined {
  return replaceStart(Buffer.from(target), map)?.toString();
}
