import type { Command } from "commander";
import { Failure } from "../base/failure.js";

/** What was given on the command line, asked for by name and kind. */
export interface Given {
  /** The argument at `index`; a demand. */
  argument(index: number): string;
  /** The arguments that a final `...` collected. */
  rest(index: number): readonly string[];
  /** The specs that a final `...` collected: `hdf5 +mpi ^zlib@1.3` is one in three arguments, as in Spack. */
  specs(index: number): readonly string[];
  optional(index: number): string | undefined;
  text(option: string): string | undefined;
  /** A repeatable option's values; none: empty. */
  texts(option: string): readonly string[];
  /** `true` for `--x`, `false` for `--no-x`, undefined where neither was given. */
  flag(option: string): boolean | undefined;
  /** A whole number of `least` or more. */
  count(option: string, least?: number): number | undefined;
}

/** @param options values by camel-cased name, as commander has them */
export function givenOf(command: Command, options: Readonly<Record<string, unknown>>): Given {
  const processed: readonly unknown[] = command.processedArgs;
  const text = (option: string): string | undefined => {
    const value = options[option];
    return typeof value === "string" ? value : undefined;
  };
  const optional = (index: number): string | undefined => {
    const value = processed[index];
    return typeof value === "string" ? value : undefined;
  };
  return {
    argument(index) {
      const value = optional(index);
      if (value === undefined) throw new Error(`${command.name()} has no argument ${index}`);
      return value;
    },
    optional,
    rest: (index) => textList(processed[index]),
    specs(index) {
      const specs: string[] = [];
      for (const word of textList(processed[index])) {
        if (word.trim() === "")
          throw new Failure("usage", "a spec is empty", {
            code: "cli.usage",
            hint: "The variable that should hold it may not be set.",
          });
        const last = specs.at(-1);
        if (last !== undefined && goesOn.test(word)) specs[specs.length - 1] = `${last} ${word}`;
        else specs.push(word);
      }
      return specs;
    },
    text,
    texts: (option) => textList(options[option]),
    flag(option) {
      const value = options[option];
      return typeof value === "boolean" ? value : undefined;
    },
    count(option, least = 1) {
      const value = text(option);
      if (value === undefined) return undefined;
      const number = Number(value);
      if (Number.isSafeInteger(number) && number >= least && value.trim() !== "") return number;
      throw new Failure("usage", `--${written(option)} is "${value}"`, {
        code: "cli.usage",
        hint: `It takes a whole number of ${least} or more.`,
      });
    },
  };
}

/** An option as it is given: `--max-layers`. */
const written = (option: string): string => option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** How a word begins that says more of the spec before it. */
const goesOn = /^([+~%^@-]|[\w-]+:?==?)/;

const textList = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
