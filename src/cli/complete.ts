import type { Command, Option } from "commander";
import { listMirrors } from "../app/mirror.js";
import type { Program } from "./program.js";

/**
 * What may stand in place of the last of `words`, each with a tab and its description. Nothing where the shell's own
 * completion of file names should do.
 */
export async function complete(program: Program, words: readonly string[]): Promise<readonly string[]> {
  const last = words.at(-1) ?? "";
  let at = program.root;
  let argument = 0;
  let awaiting: Option | undefined;
  for (const word of words.slice(0, -1)) {
    if (awaiting !== undefined) {
      awaiting = undefined;
      continue;
    }
    if (word.startsWith("-")) {
      const option = optionNamed(at, word);
      awaiting = option?.required === true ? option : undefined;
      continue;
    }
    const child = at.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (child === undefined) argument += 1;
    else {
      at = child;
      await program.load(at);
    }
  }
  return (await candidates(at, { last, argument, awaiting })).filter((line) => line.startsWith(last));
}

async function candidates(
  command: Command,
  { last, argument, awaiting }: { last: string; argument: number; awaiting: Option | undefined },
): Promise<readonly string[]> {
  if (awaiting !== undefined) return awaiting.argChoices ?? [];
  if (last.startsWith("-"))
    return [...command.options]
      .filter((option) => !option.hidden || isGlobal(option))
      .flatMap(({ long, description }) => (long === undefined ? [] : [`${long}\t${description}`]));
  if (command.commands.length > 0)
    return command.commands.map((one) => `${one.name()}\t${one.description()}`);
  const wanted = command.registeredArguments[argument];
  if (wanted?.argChoices !== undefined) return wanted.argChoices;
  return wanted?.name() === "mirror" ? await mirrorNames() : [];
}

const optionNamed = (command: Command, word: string): Option | undefined =>
  command.options.find((option) => option.short === word || option.long === word);

/** Hidden on commands only because the program's help has them. */
const isGlobal = ({ description }: Option): boolean => description !== "";

async function mirrorNames(): Promise<readonly string[]> {
  try {
    return (await listMirrors()).map(({ name, fetch, push }) => `${name}\t${(fetch ?? push)?.url ?? ""}`);
  } catch {
    // A damaged configuration is told of by commands; a shell that completes a word is no place for it.
    return [];
  }
}
