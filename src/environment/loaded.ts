import type { Environment } from "./environment.js";

/** One assignment of `spack load --sh`: quoted as Python's `shlex.quote` does. */
const assignment = /^export (\w+)=((?:'[^']*'|"'"|[^\s;'"])*);$/gm;

/** What the commands of `spack load --sh` set. */
export const parseLoadCommands = (commands: string): Environment =>
  new Map(
    [...commands.matchAll(assignment)].map(([, name = "", value = ""]) => [
      name,
      value.replace(
        /'([^']*)'|"(')"/g,
        (_, quoted: string | undefined, quote: string | undefined) => quoted ?? quote ?? "",
      ),
    ]),
  );

/**
 * An environment with what Spack's recipes set on a machine where the packages are installed.
 * @param locate where a path of that machine is in the image; undefined for what is not in it: the host's own
 */
export function withLoaded(
  environment: Environment,
  loaded: Environment,
  locate: (path: string) => string | undefined,
): Environment {
  const result = new Map(environment);
  for (const [name, value] of loaded) {
    if (name.startsWith("SPACK_")) continue;
    const parts = value.split(":").filter((part) => part !== "");
    const isList = parts.length > 0 && parts.every((part) => part.startsWith("/"));
    if (!isList) {
      if (!result.has(name)) result.set(name, value);
      continue;
    }
    const before = result.get(name)?.split(":") ?? [];
    const own = parts.flatMap((part) => locate(part) ?? []).filter((part) => !before.includes(part));
    if (own.length > 0) result.set(name, [...new Set(own), ...before].join(":"));
  }
  return result;
}
