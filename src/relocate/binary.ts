import { Failure } from "../base/failure.js";
import { sourceOf } from "./byte-source.js";
import { type Aliases, relocateCStrings } from "./c-strings.js";
import { type Elf, parseElf } from "./elf.js";
import { growElf } from "./elf-grow.js";
import { type ElfChanges, elfChanges, placeStrings } from "./elf-relocate.js";
import { applyPatches, type Patch } from "./patch.js";
import type { PrefixMap } from "./prefix-map.js";
import type { RelocationProblem } from "./problem.js";

export interface BinaryOptions {
  /** Used only where a C string has no room for the new prefix. */
  readonly aliases?: Aliases | undefined;
}

/** How a binary changes. A file can be patched where it is, without a second copy of it in memory. */
export interface BinaryPlan {
  /** In order of writing: later ones win. Those past the end make the file longer. */
  readonly patches: readonly Patch[];
  readonly problems: readonly RelocationProblem[];
  /** Old prefixes whose alias was used. */
  readonly aliased: ReadonlySet<string>;
}

export interface RelocatedBinary extends BinaryPlan {
  /** undefined where nothing changes */
  readonly bytes: Uint8Array | undefined;
}

/** Relocates a binary: see `planBinary`. */
export function relocateBinary(
  bytes: Uint8Array,
  map: PrefixMap,
  options: BinaryOptions = {},
): RelocatedBinary {
  const plan = planBinary(bytes, map, options);
  return { ...plan, bytes: plan.patches.length === 0 ? undefined : applyPatches(bytes, plan.patches) };
}

/**
 * What has to be written to relocate a binary: rpath and interpreter of an ELF file (moved to a new segment where
 * they outgrow their place), then all C strings. What cannot be relocated is a problem in the result, and stays.
 */
export function planBinary(bytes: Uint8Array, map: PrefixMap, { aliases }: BinaryOptions = {}): BinaryPlan {
  const elf = planElf(bytes, map);
  const strings = relocateCStrings(bytes, map, { aliases, done: elf.patches });
  const patches = [...elf.patches, ...strings.patches];
  const grown = elf.grow?.(patches) ?? [];
  if (typeof grown !== "string")
    return {
      patches: [...patches, ...grown],
      problems: [...elf.problems, ...strings.problems],
      aliased: strings.aliased,
    };
  // Without growing, what has no room is a C string like others: an alias may do.
  const rest = relocateCStrings(bytes, map, { aliases, done: elf.fitting });
  const problem = { kind: "unsupported", offset: 0, text: `the ELF file ${grown}` } as const;
  return {
    patches: [...elf.fitting, ...rest.patches],
    problems: [problem, ...rest.problems],
    aliased: rest.aliased,
  };
}

interface ElfPlan {
  /** Strings that fit into their places. */
  readonly fitting: readonly Patch[];
  /** Those, and blanks where strings stood that are moved. */
  readonly patches: readonly Patch[];
  /** Moves strings, given all that is written before. */
  readonly grow?: (done: readonly Patch[]) => readonly Patch[] | string;
  readonly problems: readonly RelocationProblem[];
}

const noElf: ElfPlan = { fitting: [], patches: [], problems: [] };

function planElf(bytes: Uint8Array, map: PrefixMap): ElfPlan {
  try {
    const elf = parseElf(sourceOf(bytes));
    return elf === undefined ? noElf : planHeaders(bytes, elf, elfChanges(elf, map));
  } catch (error) {
    // Such a file cannot be run or linked: its strings are all that can be relocated, as in any other file.
    if (!isMalformed(error)) throw error;
    return { ...noElf, problems: [{ kind: "malformed", offset: 0, text: error.message }] };
  }
}

function planHeaders(bytes: Uint8Array, elf: Elf, changes: ElfChanges): ElfPlan {
  const { fitting, outgrown, blanks } = placeStrings(
    elf,
    [...changes.strings, changes.interpreter].filter((string) => string !== undefined),
  );
  if (outgrown.size === 0) return { fitting, patches: fitting, problems: [] };
  const strings = changes.strings.filter((string) => outgrown.has(string));
  const { interpreter } = changes;
  const moved = {
    ...changes,
    strings,
    interpreter: interpreter !== undefined && outgrown.has(interpreter) ? interpreter : undefined,
  };
  return {
    fitting,
    patches: [...fitting, ...blanks],
    grow: (done) => grow(bytes, elf, { changes: moved, done }),
    problems: [],
  };
}

function grow(...[bytes, elf, options]: Parameters<typeof growElf>): ReturnType<typeof growElf> {
  try {
    return growElf(bytes, elf, options);
  } catch (error) {
    if (!isMalformed(error)) throw error;
    return `is damaged: ${error.message}`;
  }
}

const isMalformed = (error: unknown): error is Failure =>
  error instanceof Failure && error.code === "relocate.malformed";
