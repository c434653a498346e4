import type { Relocatable } from "../archive/relocatable.js";
import { relocateBinary } from "../relocate/binary.js";
import type { PrefixMap } from "../relocate/prefix-map.js";
import type { RelocationProblem } from "../relocate/problem.js";
import { relocateText } from "../relocate/text.js";
import type { InstallFiles } from "./files.js";

export interface LargeFile {
  readonly path: string;
  readonly kind: Exclude<Relocatable, undefined>;
  readonly map: PrefixMap;
  readonly aliases: ReadonlyMap<string, string>;
}

export interface LargeResult {
  readonly problems: readonly RelocationProblem[];
  readonly aliased: ReadonlySet<string>;
}

/** Relocates a file that is too large to be held in memory while it comes. */
export function relocateLarge(files: InstallFiles, { path, kind, map, aliases }: LargeFile): LargeResult {
  using file = files.update(path);
  const content = file.read(0, file.size);
  if (kind === "text") {
    const moved = relocateText(content, map);
    if (moved !== undefined) {
      const { mode } = files.describe(path);
      files.remove(path);
      using out = files.create(path, mode & 0o777);
      out.write(moved);
    }
    return { problems: [], aliased: new Set() };
  }
  const { bytes, problems, aliased } = relocateBinary(content, map, { aliases });
  if (bytes !== undefined) file.write(bytes, 0);
  return { problems, aliased };
}
