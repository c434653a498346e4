import { Failure } from "../base/failure.js";
import { sourceOf } from "./byte-source.js";
import { type Aliases, relocateCStrings } from "./c-strings.js";
import { type Elf, parseElf } from "./elf.js";
import { elfChanges, patchInPlace } from "./elf-relocate.js";
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
 * What has to be written to relocate a binary: rpath and interpreter of an ELF file, then all C strings. What cannot
 * be relocated is a problem in the result, and stays as it is.
 */
export function planBinary(bytes: Uint8Array, map: PrefixMap, { aliases }: BinaryOptions = {}): BinaryPlan {
  const elf = planElf(bytes, map);
  const strings = relocateCStrings(bytes, map, { aliases, done: elf.patches });
  return {
    patches: [...elf.patches, ...strings.patches],
    problems: [...elf.problems, ...strings.problems],
    aliased: strings.aliased,
  };
}

interface ElfPlan {
  readonly patches: readonly Patch[];
  readonly problems: readonly RelocationProblem[];
}

function planElf(bytes: Uint8Array, map: PrefixMap): ElfPlan {
  try {
    const elf = parseElf(sourceOf(bytes));
    return elf === undefined ? { patches: [], problems: [] } : planHeaders(elf, map);
  } catch (error) {
    // Such a file cannot be run or linked: its strings are all that can be relocated, as in any other file.
    if (!(error instanceof Failure) || error.code !== "relocate.malformed") throw error;
    return { patches: [], problems: [{ kind: "malformed", offset: 0, text: error.message }] };
  }
}

function planHeaders(elf: Elf, map: PrefixMap): ElfPlan {
  const { rpaths, interpreter } = elfChanges(elf, map);
  const patches: Patch[] = [];
  const problems: RelocationProblem[] = [];
  for (const string of interpreter === undefined ? rpaths : [...rpaths, interpreter]) {
    const patch = patchInPlace(elf, string);
    if (patch !== undefined) patches.push(patch);
    else
      problems.push({
        kind: "cannot-grow",
        offset: string.offset,
        text: string.from.toString(),
        room: string.from.length,
      });
  }
  return { patches, problems };
}
