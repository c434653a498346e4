import { Failure } from "../base/failure.js";
import { type ByteSource, sourceOf } from "./byte-source.js";
import { type Aliases, type CStringRelocation, relocateCStrings } from "./c-strings.js";
import { signMachO } from "./code-signature.js";
import { type Elf, parseElf } from "./elf.js";
import { growElf } from "./elf-grow.js";
import { elfChanges, placeStrings } from "./elf-relocate.js";
import { type MachO, parseMachO } from "./mach-o.js";
import { relocateMachO } from "./mach-o-relocate.js";
import { applyPatches, type Patch, patchedRange } from "./patch.js";
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
 * What has to be written to relocate a binary: the paths in its headers (rpath and interpreter of an ELF file, moved
 * to a new segment where they outgrow their place; load commands of a Mach-O file), then all C strings, then the
 * signature of a Mach-O file. What cannot be relocated is a problem in the result, and stays.
 */
export function planBinary(bytes: Uint8Array, map: PrefixMap, { aliases }: BinaryOptions = {}): BinaryPlan {
  return planFrom(sourceOf(bytes), map, (done) => relocateCStrings(bytes, map, { aliases, done }));
}

/** The same for a file of which only the headers are read here: whoever gives it relocates its strings. */
export function planFrom(
  source: ByteSource,
  map: PrefixMap,
  stringsBeside: (done: readonly Patch[]) => CStringRelocation,
): BinaryPlan {
  const headers = planHeaders(source, map);
  const strings = stringsBeside(headers.patches);
  const patches = [...headers.patches, ...strings.patches];
  const problems = [...headers.problems, ...strings.problems];
  const { finish } = headers;
  const last = finish === undefined ? [] : unlessMalformed(() => finish(patches));
  if (typeof last !== "string") return { ...strings, patches: [...patches, ...last], problems };
  // What could not be moved is a C string like others: an alias may do.
  const rest = stringsBeside(headers.fitting);
  return {
    ...rest,
    patches: [...headers.fitting, ...rest.patches],
    problems: [
      ...headers.problems,
      { kind: "unsupported", offset: 0, text: `the file ${last}` },
      ...rest.problems,
    ],
  };
}

interface HeaderPlan {
  readonly problems: readonly RelocationProblem[];
  /** Paths that fit into their places. */
  readonly fitting: readonly Patch[];
  /** Those, and blanks where paths stood that are moved. */
  readonly patches: readonly Patch[];
  /** What is written last, given all that is before; or why it cannot be, as a clause. */
  readonly finish?: ((done: readonly Patch[]) => readonly Patch[] | string) | undefined;
}

function planHeaders(source: ByteSource, map: PrefixMap): HeaderPlan {
  const none = { problems: [], fitting: [], patches: [] };
  const plan = unlessMalformed((): HeaderPlan => {
    const elf = parseElf(source);
    if (elf !== undefined) return planElf(source, elf, map);
    const files = parseMachO(source);
    return files.length > 0 ? planMachO(source, files, map) : none;
  });
  // A damaged file cannot be run or linked: its strings are all that can be relocated, as in any other file.
  if (typeof plan === "string") return { ...none, problems: [{ kind: "malformed", offset: 0, text: plan }] };
  return plan;
}

function planElf(source: ByteSource, elf: Elf, map: PrefixMap): HeaderPlan {
  const changes = elfChanges(elf, map);
  const { interpreter } = changes;
  const { fitting, outgrown, blanks } = placeStrings(
    elf,
    interpreter === undefined ? changes.strings : [...changes.strings, interpreter],
  );
  if (outgrown.size === 0) return { problems: [], fitting, patches: fitting };
  const moved = {
    ...changes,
    strings: changes.strings.filter((string) => outgrown.has(string)),
    interpreter: interpreter !== undefined && outgrown.has(interpreter) ? interpreter : undefined,
  };
  return {
    problems: [],
    fitting,
    patches: [...fitting, ...blanks],
    finish: (done) => growElf(source, elf, { changes: moved, done }),
  };
}

function planMachO(source: ByteSource, files: readonly MachO[], map: PrefixMap): HeaderPlan {
  const changes = files.map((file) => relocateMachO(file, map));
  const patches = changes.flatMap((change) => change.patches);
  return {
    problems: changes.flatMap((change) => change.problems),
    fitting: patches,
    patches,
    finish(done) {
      const signed = files
        .filter(({ start, size }) => done.some(({ offset }) => offset >= start && offset < start + size))
        .map((file) => signMachO(file, (start, end) => patchedRange(source, done, [start, end])));
      return (
        signed.find((result) => typeof result === "string") ??
        signed.filter((result) => typeof result !== "string").flat()
      );
    },
  };
}

/** The result, or what the failure says of a damaged file. */
function unlessMalformed<T>(work: () => T): T | string {
  try {
    return work();
  } catch (error) {
    if (error instanceof Failure && error.code === "relocate.malformed") return error.message;
    throw error;
  }
}
