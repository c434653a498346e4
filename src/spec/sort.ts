import { compareVersions, parseVersion } from "../version/compare.js";
import type { Version } from "../version/version-list.js";
import type { ConcreteSpec } from "./concrete-spec.js";

/** By name, then version, then hash: the order of lists. */
export function sortSpecs<T>(items: readonly T[], specOf: (item: T) => ConcreteSpec): readonly T[] {
  const versions = new Map<string, Version | undefined>();
  const parsed = (text: string): Version | undefined => {
    // Where a git ref stands among versions is known to git alone.
    if (!versions.has(text))
      versions.set(text, /^git\.|^[0-9a-f]{40}$/.test(text) ? undefined : parseVersion(text));
    return versions.get(text);
  };
  const byVersion = (a: string, b: string): number => {
    const [x, y] = [parsed(a), parsed(b)];
    return (x && y ? compareVersions(x, y) : 0) || (a < b ? -1 : 1);
  };
  return items.toSorted((one, other) => {
    const [a, b] = [specOf(one), specOf(other)];
    if (a.name !== b.name) return a.name < b.name ? -1 : 1;
    if (a.version !== b.version) return byVersion(a.version, b.version);
    return a.hash < b.hash ? -1 : 1;
  });
}
