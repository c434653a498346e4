import { type Command, Option } from "commander";
import type { StowageOptions } from "../app/context.js";
import type { ColorChoice } from "./terminal.js";

/** The options that any command takes, before or after its name. */
const globalOptions = (): readonly Option[] => [
  new Option("--store <root>", "install tree to work on (else config:install_tree, else ~/.stowage/store)"),
  new Option("-C, --config <dir>", "folder of configuration that wins over all other (repeatable)").argParser(
    (value: string, before: string[] | undefined) => [...(before ?? []), value],
  ),
  new Option("-e, --env <env>", "Spack environment, a name or a folder (else $SPACK_ENV)"),
  new Option("--scope <scope>", "configuration scope to read or edit"),
  new Option("--ca <file>", "certificates of an authority to trust, as PEM (else $SSL_CERT_FILE)"),
  new Option("--client-cert <file>", "certificate to show to registries that ask for one, as PEM"),
  new Option("--client-key <file>", "its key"),
  new Option("--insecure", "take any certificate, and send credentials over http"),
  new Option("--no-check-signature", "take what should be signed without checking that it is"),
  new Option("--json", "print one JSON document to stdout"),
  new Option("-q, --quiet", "no progress"),
  new Option("--color <when>", "colours").choices(["auto", "always", "never"]),
  new Option("-v, --verbose", "say more: causes of errors, each step"),
];

/**
 * Adds the global options to the program or, unseen, to a command of it: there a short form that the command uses
 * itself (`find -v`) is left to the command.
 */
export function addGlobalOptions(command: Command, { hidden }: { readonly hidden: boolean }): void {
  const taken = new Set(command.options.flatMap((option) => [option.short, option.long]));
  for (const option of globalOptions()) {
    if (taken.has(option.long)) continue;
    const short = taken.has(option.short) ? undefined : option.short;
    const flags = option.flags.replace(/^-\w, /, "");
    const own = new Option(short === undefined ? flags : `${short}, ${flags}`, option.description);
    if (option.parseArg !== undefined) own.argParser(option.parseArg);
    if (option.argChoices !== undefined) own.choices(option.argChoices);
    command.addOption(hidden ? own.hideHelp() : own);
  }
}

export interface Globals {
  readonly stowage: StowageOptions;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly color: ColorChoice;
}

/** The global options as given to the command or to what it belongs to; the innermost wins. */
export function globalsOf(command: Command): Globals {
  const chain: Command[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) chain.push(at);
  const value = (name: string): unknown =>
    chain.map((one) => one.getOptionValue(name)).find((found) => found !== undefined);
  const text = (name: string): string | undefined => {
    const found = value(name);
    return typeof found === "string" ? found : undefined;
  };
  const color = text("color");
  return {
    stowage: {
      checkSignature: !chain.some((one) => one.getOptionValue("checkSignature") === false),
      store: text("store"),
      // Folders given before the command come first, those after it win.
      config: [...chain].reverse().flatMap((one) => {
        const found: unknown = one.getOptionValue("config");
        return Array.isArray(found) ? found.filter((item) => typeof item === "string") : [];
      }),
      environment: text("env"),
      scope: text("scope"),
      ca: text("ca"),
      clientCert: text("clientCert"),
      clientKey: text("clientKey"),
      insecure: value("insecure") === true ? true : undefined,
    },
    json: value("json") === true,
    quiet: value("quiet") === true,
    verbose: value("verbose") === true,
    color: color === "always" || color === "never" ? color : "auto",
  };
}
