import type { Command, Option } from "commander";
import { find } from "../app/find.js";
import { listMirrors } from "../app/mirror.js";
import { Failure } from "../base/failure.js";
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
  let store: string | undefined;
  for (const word of words.slice(0, -1)) {
    if (awaiting !== undefined) {
      if (awaiting.long === "--store") store = word;
      awaiting = undefined;
      continue;
    }
    if (word.startsWith("--store=")) store = word.slice("--store=".length);
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
  return (await candidates(at, { last, argument, awaiting, store })).filter((line) => line.startsWith(last));
}

async function candidates(
  command: Command,
  {
    last,
    argument,
    awaiting,
    store,
  }: { last: string; argument: number; awaiting: Option | undefined; store: string | undefined },
): Promise<readonly string[]> {
  if (awaiting !== undefined)
    return awaiting.flags.endsWith("<mirror>") ? await mirrorNames() : (awaiting.argChoices ?? []);
  if (last.startsWith("-"))
    return [...command.options]
      .filter((option) => !option.hidden || isGlobal(option))
      .flatMap(({ long, description }) => (long === undefined ? [] : [`${long}\t${description}`]));
  const { commands } = command;
  // `sbom` and `attest` have both, commands and arguments.
  const children = argument > 0 ? [] : commands.map((one) => `${one.name()}\t${one.description()}`);
  return [...children, ...(await argumentsOf(command, { last, argument, store }))];
}

async function argumentsOf(
  command: Command,
  { last, argument, store }: { last: string; argument: number; store: string | undefined },
): Promise<readonly string[]> {
  const { registeredArguments } = command;
  // The last one may stand for many.
  const wanted = registeredArguments[Math.min(argument, registeredArguments.length - 1)];
  if (wanted === undefined || (argument >= registeredArguments.length && !wanted.variadic)) return [];
  if (wanted.argChoices !== undefined) return wanted.argChoices;
  if (["mirror", "mirrors", "source", "destination"].includes(wanted.name())) return await mirrorNames();
  const isInstalled = /^specs?$/.test(wanted.name()) && !ofMirrors.has(command.name());
  return isInstalled ? await installedNames(store, last) : [];
}

/** Commands whose specs are of what mirrors have, which only a network tells. */
const ofMirrors: ReadonlySet<string> = new Set(["install", "image", "sign", "sync", "list", "attach"]);

const optionNamed = (command: Command, word: string): Option | undefined =>
  command.options.find((option) => option.short === word || option.long === word);

/** Hidden on commands only because the program's help has them. */
const isGlobal = ({ description }: Option): boolean => description !== "";

const mirrorNames = (): Promise<readonly string[]> =>
  quietly(async () =>
    (await listMirrors()).map(({ name, fetch, push }) => `${name}\t${(fetch ?? push)?.url ?? ""}`),
  );

/** Names of what is installed; after a `/`, hashes. */
const installedNames = (store: string | undefined, last: string): Promise<readonly string[]> =>
  quietly(async () => {
    const { packages } = await find([], { store });
    const words = packages.map(({ spec: { name, version, hash } }) =>
      last.startsWith("/") ? `/${hash}\t${name}@${version}` : name,
    );
    return [...new Set(words)].sort();
  });

/** What is damaged is told of by commands; a shell that completes a word is no place for it. */
async function quietly(work: () => Promise<readonly string[]>): Promise<readonly string[]> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Failure) return [];
    throw error;
  }
}
