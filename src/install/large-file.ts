import type { Relocatable } from "../archive/relocatable.js";
import { type BinaryPlan, planFrom } from "../relocate/binary.js";
import { type ByteSource, pagesOf } from "../relocate/byte-source.js";
import { type Aliases, type CStringRelocation, relocateCStrings } from "../relocate/c-strings.js";
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
  const plan = planInWindows(file, map, { aliases, windowSize });
  for (const { bytes, offset } of plan.patches) file.write(bytes, offset);
  return plan;
}

/** The same plan as `planBinary`'s, without the whole file in memory. */
export const planInWindows = (source: ByteSource, map: PrefixMap, windows: Windows): BinaryPlan =>
  planFrom(pagesOf(source), map, (done) => stringsInWindows(source, map, { ...windows, done }));

interface Windows {
  readonly aliases: Aliases;
  readonly windowSize: number;
}

function stringsInWindows(
  source: ByteSource,
  map: PrefixMap,
  { aliases, windowSize: size, done }: Windows & { readonly done: readonly Patch[] },
): CStringRelocation {
  // What follows a match and decides over it: up to 7 bytes and a NUL.
  const reach = Math.max(0, ...map.entries.map(({ from }) => from.length)) + 8;
  const patches: Patch[] = [];
  const problems: RelocationProblem[] = [];
  const aliased = new Set<string>();
  for (let start = 0; start < source.size; ) {
    const window = source.read(start, size + reach);
    const isLast = start + window.length >= source.size;
    const here = (offset: number) => isLast || offset < size;
    const found = relocateCStrings(window, map, {
      aliases,
      done: done.map(({ offset, bytes }) => ({ offset: offset - start, bytes })),
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
