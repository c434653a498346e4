import { Failure } from "../base/failure.js";

/** What Spack's variables stand for here. Known names that have no value on this machine are undefined. */
export interface Variables {
  /** `$spack`, `$user`, `$tempdir`, … by name without the `$`, lower case. */
  readonly named: Readonly<Record<string, string | undefined>>;
  /** Environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

const spackNames = new Set([
  "spack",
  "user",
  "tempdir",
  "user_cache_path",
  "spack_instance_id",
  "architecture",
  "arch",
  "platform",
  "operating_system",
  "os",
  "target",
  "target_family",
  "date",
  "spack_short_version",
]);

/**
 * Replaces Spack's variables (any case, `$x` or `${x}`), then environment variables, then a leading `~`. A variable
 * that nobody knows stays as it is, as in Spack.
 * @throws Failure `config.variable-unset` for one of Spack's names that has no value here
 */
export function substitute(text: string, variables: Variables, place: string): string {
  const replaced = text.replace(/\$(?:(\w+)|\{(\w+)\})/g, (whole, bare: string, braced: string) => {
    const name = bare ?? braced;
    const key = name.toLowerCase();
    const known = variables.named[key];
    if (known !== undefined) return known;
    if (spackNames.has(key))
      throw new Failure("usage", `${place}: cannot tell what ${whole} in "${text}" stands for`, {
        code: "config.variable-unset",
        subject: place,
        hint: key.startsWith("spack")
          ? `Set SPACK_ROOT to the folder of your Spack, or write the path without ${whole}.`
          : `Write the path without ${whole}.`,
      });
    return variables.env[name] ?? whole;
  });
  return replaced.replace(/^~(?=\/|$)/, variables.home);
}
