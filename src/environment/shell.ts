import type { Environment } from "./environment.js";

/** Shells whose commands can be written. */
export const shells = ["sh", "csh", "fish"] as const;
export type Shell = (typeof shells)[number];

/** The commands that make one environment the other, a line each, for the shell to `eval`. */
export function shellCommands(before: Environment, after: Environment, shell: Shell): string {
  const { set, unset, quote } = languages[shell];
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names
    .map((name) => {
      const value = after.get(name);
      if (value === before.get(name)) return "";
      return `${value === undefined ? unset(name) : set(name, /^[\w@%+=:,./-]+$/.test(value) ? value : quote(value))};\n`;
    })
    .join("");
}

interface Language {
  set(name: string, quoted: string): string;
  unset(name: string): string;
  quote(value: string): string;
}

/** Ends the quotes for each one in the value, as no backslash has a meaning in them. */
const quote = (value: string): string => `'${value.replaceAll("'", `'"'"'`)}'`;

/** As Spack writes them (`_SHELL_SET_STRINGS` of util/environment.py). */
const languages: Readonly<Record<Shell, Language>> = {
  sh: { set: (name, value) => `export ${name}=${value}`, unset: (name) => `unset ${name}`, quote },
  csh: {
    set: (name, value) => `setenv ${name} ${value}`,
    unset: (name) => `unsetenv ${name}`,
    // A line of csh ends in quotes, too, unless its end is escaped.
    quote: (value) => quote(value).replaceAll("\n", "\\\n"),
  },
  fish: {
    set: (name, value) => `set -gx ${name} ${value}`,
    unset: (name) => `set -e ${name}`,
    quote: (value) => `'${value.replaceAll(/[\\']/g, "\\$&")}'`,
  },
};
