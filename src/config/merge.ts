import { type ConfigNode, type MapEntry, plainOf } from "./node.js";

/**
 * Spack's merge of two scopes. Keys and list items of the higher one come first, so that its mirrors are searched
 * first; `key::` replaces; a null, or a value of another type, replaces.
 */
export function mergeNodes(lower: ConfigNode, higher: ConfigNode): ConfigNode {
  if (lower.type === "list" && higher.type === "list") {
    const taken = new Set(higher.items.map(identity));
    return {
      ...higher,
      items: [...higher.items, ...lower.items.filter((item) => !taken.has(identity(item)))],
    };
  }
  if (lower.type === "map" && higher.type === "map") {
    const entries = new Map<string, MapEntry>();
    for (const [key, entry] of higher.entries) {
      const below = lower.entries.get(key);
      entries.set(
        key,
        below === undefined || entry.replaces
          ? entry
          : { ...entry, value: mergeNodes(below.value, entry.value) },
      );
    }
    for (const [key, entry] of lower.entries) if (!entries.has(key)) entries.set(key, entry);
    return { ...higher, entries };
  }
  return higher;
}

/** Equal for values that are equal, whatever the order of keys. */
function identity(node: ConfigNode): string {
  return JSON.stringify(plainOf(node), (_, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
