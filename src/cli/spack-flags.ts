import type { Command } from "commander";
import { isObject } from "../base/decode.js";
import { accepted, refusals } from "./command.js";
import type { Program } from "./program.js";

/** What becomes of an option of Spack's here. */
export type Fate =
  | { readonly type: "same" }
  /** Taken, and changes nothing: it is done anyway, or there is nothing to do. */
  | { readonly type: "accepted" }
  | { readonly type: "refused"; readonly reason: string }
  | { readonly type: "unknown" };

export interface SpackCommand {
  /** `buildcache push` */
  readonly name: string;
  readonly isAlias: boolean;
  /** undefined: there is no such command here. */
  readonly flags: readonly { readonly names: readonly string[]; readonly fate: Fate }[] | undefined;
}

/**
 * Looks for each option of Spack's commands.
 * @param recorded test/fixtures/spack-flags.json: what argparse says of them
 */
export async function spackFlags(program: Program, recorded: unknown): Promise<readonly SpackCommand[]> {
  const found: SpackCommand[] = [];
  for (const [path, value] of Object.entries(isObject(recorded) ? recorded : {})) {
    if (!isObject(value)) continue;
    const aliases = textsIn(value["aliases"]).map((alias) => path.replace(/\S+$/, alias));
    const options = Array.isArray(value["options"]) ? value["options"].map(textsIn) : [];
    for (const name of [path, ...aliases]) {
      const command = await commandAt(program, name.split(" "));
      found.push({
        name,
        isAlias: name !== path,
        flags: command && options.map((names) => ({ names, fate: fateOf(command, names) })),
      });
    }
  }
  return found;
}

const textsIn = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];

async function commandAt(program: Program, path: readonly string[]): Promise<Command | undefined> {
  let at: Command | undefined = program.root;
  for (const word of path)
    at = at?.commands.find((one) => one.name() === word || one.aliases().includes(word));
  if (at !== undefined) await program.load(at);
  return at;
}

/** All its names must be there, or none is of use to who writes the other. */
function fateOf(command: Command, names: readonly string[]): Fate {
  const whole = refusals.get(command);
  if (whole !== undefined) return { type: "refused", reason: whole };
  const options = names.map((name) =>
    command.options.find((option) => option.short === name || option.long === name),
  );
  const reason = options.map((option) => option && refusals.get(option)).find((text) => text !== undefined);
  if (options.includes(undefined)) return { type: "unknown" };
  if (reason !== undefined) return { type: "refused", reason };
  return options.every((option) => option !== undefined && accepted.has(option))
    ? { type: "accepted" }
    : { type: "same" };
}
