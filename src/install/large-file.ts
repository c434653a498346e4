import type { Relocatable } from "../archive/relocatable.js";
import { Failure } from "../base/failure.js";
import { type BinaryPlan, planBinary } from "../relocate/binary.js";
import { type ByteSource, pagesOf } from "../relocate/byte-source.js";
import { type Aliases, relocateCStrings } from "../relocate/c-strings.js";
import { type Elf, parseElf } from "../relocate/elf.js";
import { elfChanges, placeStrings } from "../relocate/elf-relocate.js";
import type { Patch } from "../relocate/patch.js";
import type { PrefixMap } from "../relocate/prefix-map.js";
import type { RelocationProblem } from "../relocate/problem.js";
import { relocateText } from "../relocate/text.js";
import type { InstallFiles } from "./files.js";

export interface LargeFile {
  readonly path: string;
  readonly kind: Exclude<Relocatable, undefined>;
  readonly map: PrefixMap;
  readonly aliases: Aliases;
}

export type LargeResult = Pick<BinaryPlan, "problems" | "aliased">;

/** Bytes of a large file that are looked at together. */
const windowSize = 8 * 1024 * 1024;

/** Relocates a file that is too large to be held in memory, where it stands on the disk. */
export function relocateLarge(files: InstallFiles, { path, kind, map, aliases }: LargeFile): LargeResult {
  if (kind === "text") {
    rewriteText(files, path, map);
    return { problems: [], aliased: new Set() };
  }
  using file = files.update(path);
  // A file whose headers have to grow is rewritten as a whole; it is the rare one.
  const plan =
    planInWindows(file, map, { aliases, windowSize }) ??
    planBinary(file.read(0, file.size), map, { aliases });
  for (const { bytes, offset } of plan.patches) file.write(bytes, offset);
  return plan;
}

/**
 * The same plan as `planBinary`'s, without the whole file in memory.
 * @returns undefined where that is needed: Mach-O and damaged files, and those whose rpath or interpreter has no room
 */
export function planInWindows(
  source: ByteSource,
  map: PrefixMap,
  { aliases, windowSize: size }: { aliases: Aliases; windowSize: number },
): BinaryPlan | undefined {
  const elf = readElf(source);
  if (elf === undefined) return undefined;
  const { strings, interpreter } = elfChanges(elf, map);
  const { fitting, outgrown } = placeStrings(
    elf,
    interpreter === undefined ? strings : [...strings, interpreter],
  );
  if (outgrown.size > 0) return undefined;

  // What follows a match and decides over it: up to 7 bytes and a NUL.
  const reach = Math.max(0, ...map.entries.map(({ from }) => from.length)) + 8;
  const patches: Patch[] = [...fitting];
  const problems: RelocationProblem[] = [];
  const aliased = new Set<string>();
  for (let start = 0; start < source.size; ) {
    const window = source.read(start, size + reach);
    const isLast = start + window.length >= source.size;
    const here = (offset: number) => isLast || offset < size;
    const found = relocateCStrings(window, map, {
      aliases,
      done: fitting.map(({ offset, bytes }) => ({ offset: offset - start, bytes })),
    });
    let next = start + (isLast ? window.length : size);
    for (const { offset, bytes } of found.patches.filter((patch) => here(patch.offset))) {
      patches.push({ offset: start + offset, bytes });
      next = Math.max(next, start + offset + bytes.length);
    }
    for (const problem of found.problems.filter(({ offset }) => here(offset)))
      problems.push({ ...problem, offset: start + problem.offset });
    for (const prefix of found.aliased) aliased.add(prefix);
    start = next;
  }
  return { patches, problems, aliased };
}

function readElf(source: ByteSource): Elf | undefined {
  try {
    return parseElf(pagesOf(source));
  } catch (error) {
    if (error instanceof Failure && error.code === "relocate.malformed") return undefined;
    throw error;
  }
}

/** A path ends with its line, so a text is relocated by pieces that end there. */
function rewriteText(files: InstallFiles, path: string, map: PrefixMap): void {
  const moved = `${path}.relocated`;
  {
    using from = files.update(path);
    using to = files.create(moved, files.describe(path).mode & 0o777);
    for (const piece of linesIn(from, windowSize)) to.write(relocateText(piece, map) ?? piece);
  }
  files.rename(moved, path);
}

const newline = 0x0a;

/** Pieces of at least `size` bytes that end with a line, or with the file. */
export function* linesIn(source: ByteSource, size: number): Generator<Uint8Array> {
  for (let start = 0; start < source.size; ) {
    let length = size;
    let piece = source.read(start, length);
    let end = piece.lastIndexOf(newline) + 1;
    while (end === 0 && start + piece.length < source.size) {
      length *= 2;
      piece = source.read(start, length);
      end = piece.lastIndexOf(newline) + 1;
    }
    if (end === 0 || start + piece.length >= source.size) end = piece.length;
    yield piece.subarray(0, end);
    start += end;
  }
}
