/** One variable of an environment: `NAME=value`, kept in the order an image lists them. */
export type Environment = ReadonlyMap<string, string>;

/**
 * What a prefix adds to which path list, as Spack's `modules:prefix_inspections`: sub-directories in the order
 * they are prepended. `""` is the prefix itself.
 */
export type PrefixInspections = readonly (readonly [directory: string, variables: readonly string[]])[];

/** Spack's defaults (etc/spack/defaults/base/modules.yaml), unchanged since 0.21 on Linux. */
export const defaultInspections: PrefixInspections = [
  ["bin", ["PATH"]],
  ["man", ["MANPATH"]],
  ["share/man", ["MANPATH"]],
  ["share/aclocal", ["ACLOCAL_PATH"]],
  ["lib/pkgconfig", ["PKG_CONFIG_PATH"]],
  ["lib64/pkgconfig", ["PKG_CONFIG_PATH"]],
  ["share/pkgconfig", ["PKG_CONFIG_PATH"]],
  ["", ["CMAKE_PREFIX_PATH"]],
];

/** A package as its environment needs it. */
export interface Inspected {
  readonly prefix: string;
  /** A root, or the target of a run edge: its programs are meant to be called. */
  readonly runs: boolean;
}

export interface EnvironmentOptions {
  readonly inspections?: PrefixInspections | undefined;
  /** Whether a directory exists in a prefix: `hasDirectory("/opt/x/zlib-1.2", "lib/pkgconfig")`. */
  readonly hasDirectory: (prefix: string, directory: string) => boolean;
}

/** Decodes `NAME=value` lines as image configs hold them; a line without `=` sets an empty value. */
export function parseEnvironment(lines: readonly string[]): Environment {
  return new Map(
    lines.map((line) => {
      const at = line.indexOf("=");
      return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

export const formatEnvironment = (environment: Environment): string[] =>
  [...environment].map(([name, value]) => `${name}=${value}`);

/**
 * The environment of an image: that of its base, and before it what the packages add.
 *
 * Follows Spack's order (inspections of all packages, dependencies first; then the programs of what runs),
 * but keeps each directory once, where it is found first, and never names a directory of the host.
 *
 * @param packages dependencies before dependents, externals left out
 */
export function imageEnvironment(
  packages: readonly Inspected[],
  base: Environment,
  { inspections = defaultInspections, hasDirectory }: EnvironmentOptions,
): Environment {
  const lists = new Map<string, string[]>();
  const prepend = (name: string, directory: string): void => {
    const list = lists.get(name) ?? [];
    lists.set(name, [directory, ...list.filter((other) => other !== directory)]);
  };
  for (const { prefix } of packages)
    for (const [directory, variables] of inspections)
      if (directory === "" || hasDirectory(prefix, directory))
        for (const name of variables) prepend(name, directory === "" ? prefix : `${prefix}/${directory}`);
  for (const { prefix, runs } of packages)
    if (runs)
      for (const directory of ["bin", "bin64"])
        if (hasDirectory(prefix, directory)) prepend("PATH", `${prefix}/${directory}`);

  // A runtime's own default, should neither base nor packages say anything.
  const result = new Map([["PATH", "/bin:/usr/bin"], ...base]);
  for (const [name, list] of [...lists].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const before = result.get(name);
    const old =
      before === undefined || before === "" ? [] : before.split(":").filter((dir) => !list.includes(dir));
    result.set(name, [...list, ...old].join(":"));
  }
  return result;
}
