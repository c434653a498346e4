import type { OciEntry } from "../buildcache/entry.js";
import {
  defaultInspections,
  type Environment,
  type Inspected,
  imageEnvironment,
  type PrefixInspections,
  parseEnvironment,
} from "../environment/environment.js";
import type { DagHash } from "../spec/dag-hash.js";

export interface EntryEnvironmentOptions {
  /** The packages that were asked for. */
  readonly roots: readonly DagHash[];
  /** The base image's variables. */
  readonly base: Environment;
  readonly inspections?: PrefixInspections | undefined;
}

/**
 * The environment of an image from what each package's own image says: a package's prefix and the directories in it
 * are told by its own variables, so that no store and no tarball has to be read. What else a package's variables say
 * of its prefix (its recipe, other inspections) comes before the rest; its base image's variables say nothing of it,
 * and so are left out.
 *
 * @param entries dependencies before dependents
 */
export function entryEnvironment(
  entries: readonly OciEntry[],
  { roots, base, inspections = defaultInspections }: EntryEnvironmentOptions,
): Environment {
  const told = entries.flatMap((entry) => {
    const variables = parseEnvironment(entry.config.config?.Env ?? []);
    const prefix = prefixIn(variables, entry.spec.hash);
    return prefix === undefined ? [] : [{ entry, prefix, variables }];
  });
  const directories = new Set(
    told.flatMap(({ variables }) => [...variables.values()].flatMap((value) => value.split(":"))),
  );
  const runs = new Set<DagHash>(roots);
  for (const { spec } of entries)
    for (const edge of spec.dependencies) if (edge.types.includes("run")) runs.add(edge.hash);
  const packages = told.map(({ entry, prefix }): Inspected => ({ prefix, runs: runs.has(entry.spec.hash) }));
  const result = new Map(
    imageEnvironment(packages, base, {
      inspections,
      hasDirectory: (prefix, directory) => directories.has(`${prefix}/${directory}`),
    }),
  );
  for (const { prefix, variables } of told)
    for (const [name, value] of variables) {
      const before = result.get(name)?.split(":") ?? [];
      const own = value.split(":").filter((part) => isBelow(part, prefix) && !before.includes(part));
      // What is no list of paths is one value: flags that name the prefix, a URL with it.
      const whole = own.length === 0 && before.length === 0 && value.includes(prefix);
      if (whole) result.set(name, value);
      else if (own.length > 0) result.set(name, [...own, ...before].join(":"));
    }
  // New variables by name, after the base's: as they would be, had all been known at once.
  const rank = (name: string): string => (base.has(name) || name === "PATH" ? "" : name);
  return new Map([...result].sort(([a], [b]) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0)));
}

const isBelow = (path: string, prefix: string): boolean => path === prefix || path.startsWith(`${prefix}/`);

/** Where a package was, and the directories in it, by its own image's variables. */
export function directoriesOf(
  entry: OciEntry,
): { readonly prefix: string; readonly directories: ReadonlySet<string> } | undefined {
  const variables = parseEnvironment(entry.config.config?.Env ?? []);
  const prefix = prefixIn(variables, entry.spec.hash);
  if (prefix === undefined) return undefined;
  return { prefix, directories: new Set([...variables.values()].flatMap((value) => value.split(":"))) };
}

/** A prefix names its hash, as Spack's projections do; where it does not, `CMAKE_PREFIX_PATH` starts with it. */
function prefixIn(variables: Environment, hash: DagHash): string | undefined {
  for (const value of variables.values())
    for (const part of value.split(":")) {
      const at = part.startsWith("/") ? part.indexOf(hash) : -1;
      const end = part.indexOf("/", at);
      if (at >= 0) return end < 0 ? part : part.slice(0, end);
    }
  const first = variables.get("CMAKE_PREFIX_PATH")?.split(":")[0];
  return first?.startsWith("/") && !/^\/(usr(\/local)?)?$/.test(first) ? first : undefined;
}
