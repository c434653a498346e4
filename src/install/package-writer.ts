import { createHash, hash as hashOnce } from "node:crypto";
import type { FileSink, TreeSink } from "../archive/unpack.js";
import { createRelocatableScanner, type Relocatable } from "../archive/relocatable.js";
import { planBinary } from "../relocate/binary.js";
import { relocateLink } from "../relocate/link.js";
import { patchOver } from "../relocate/patch.js";
import { prefixMapOf } from "../relocate/prefix-map.js";
import type { RelocationProblem } from "../relocate/problem.js";
import { leftoversIn } from "../relocate/scan.js";
import { wrapShebang } from "../relocate/sbang.js";
import { relocateText } from "../relocate/text.js";
import type { InstallFiles } from "./files.js";
import { base32 } from "./base32.js";
import { type Prefixes, prefixPairs } from "./prefixes.js";
import { relocateLarge } from "./large-file.js";

/** Something that stands in the package now. */
export interface WrittenEntry {
  /** Below the prefix. */
  readonly name: string;
  readonly type: "file" | "directory" | "symlink" | "hardlink";
  readonly executable: boolean;
  /** What a hard link is another name of. */
  readonly existing?: string | undefined;
  /** SHA-1 of a file's content as it was written, in base32; undefined where it was changed on the disk. */
  readonly hash?: string | undefined;
  /** May have an rpath, which is looked at again once all that it names is in place. */
  readonly elf?: boolean | undefined;
}

/** What a file could not be given. */
export interface FileProblem extends RelocationProblem {
  readonly name: string;
}

export interface WriterOptions {
  /** Where the package is made; it exists. */
  readonly directory: string;
  readonly origin: Prefixes;
  readonly here: Prefixes;
  /** Old prefix to a short path that leads to the new one, for C strings that cannot grow. */
  readonly aliases: ReadonlyMap<string, string>;
  /** What `binary_distribution` lists, where it is known already; else files are told by their content. */
  readonly listed?: RelocatedNames | undefined;
  /** Files of the archive that are written anew when the package is finished. */
  readonly leaveOut: ReadonlySet<string>;
  /** Bytes of a script's first line that the kernel reads. */
  readonly shebangLimit?: number | undefined;
}

/** Names below the prefix, by how they are relocated. */
export interface RelocatedNames {
  readonly binary: ReadonlySet<string>;
  readonly text: ReadonlySet<string>;
  readonly links: ReadonlySet<string>;
}

export interface PackageWriter extends TreeSink {
  readonly written: readonly WrittenEntry[];
  readonly problems: readonly FileProblem[];
  /** Files in which an old prefix is left: most name the place of the build in passing. */
  readonly leftovers: readonly string[];
  /** Old prefixes whose alias was used. */
  readonly aliased: ReadonlySet<string>;
  /** What was taken for relocatable by its content. */
  readonly relocated: RelocatedNames;
}

/** Files up to this size (bytes) are relocated in memory on their way; larger ones on the disk afterwards. */
export const memoryLimit = 16 * 1024 * 1024;

/** Writes the entries of a package's archive, each relocated on its way: nothing is read again. */
export function createPackageWriter(files: InstallFiles, options: WriterOptions): PackageWriter {
  const { directory, origin, here, aliases, listed, leaveOut, shebangLimit } = options;
  const map = prefixMapOf(prefixPairs(origin, here));
  const scanner = createRelocatableScanner([origin.sbang, ...origin.packages.values(), origin.root]);
  const written: WrittenEntry[] = [];
  const problems: FileProblem[] = [];
  const leftovers: string[] = [];
  const aliased = new Set<string>();
  const allowed = [...aliases.values()];
  const relocated = { binary: new Set<string>(), text: new Set<string>(), links: new Set<string>() };
  const executables = new Set<string>();
  // Memory that is used for one file after the other: new memory costs as much as what is done in it.
  let scratch = Buffer.alloc(0);
  let longer = Buffer.alloc(0);
  const pathOf = (name: string) => (name === "" ? directory : `${directory}/${name}`);

  const kindOf = (name: string, found: () => Relocatable): Relocatable => {
    if (isMetadata(name)) return undefined;
    const kind = found();
    if (kind !== undefined) relocated[kind].add(name);
    if (listed === undefined) return kind;
    return listed.binary.has(name) ? "binary" : listed.text.has(name) ? "text" : undefined;
  };

  const relocate = (name: string, content: Uint8Array, kind: Relocatable): Uint8Array => {
    if (kind === "text") return relocateText(content, map) ?? content;
    if (kind === undefined) return content;
    const plan = planBinary(content, map, { aliases });
    for (const problem of plan.problems) problems.push({ name, ...problem });
    for (const prefix of plan.aliased) aliased.add(prefix);
    return patchOver(content, plan.patches, (size) => {
      if (longer.length < size) longer = Buffer.allocUnsafeSlow(size + 1024 * 1024);
      return longer.subarray(0, size);
    });
  };

  const writeWhole = (name: string, executable: boolean, content: Uint8Array): void => {
    // One search tells of most files that there is nothing to do.
    const named = !isMetadata(name) && scanner.names(content);
    const kind = kindOf(name, () => scanner.classify(content, named));
    const moved = named ? relocate(name, content, kind) : content;
    const final = (executable && wrapShebang(moved, { sbang: here.sbang, limit: shebangLimit })) || moved;
    files.write(pathOf(name), final, modeFor(name, executable));
    if (named && leftoversIn(final, map, { limit: 1, allowed }).length > 0) leftovers.push(name);
    const hash = base32(hashOnce("sha1", final, "buffer"));
    written.push({ name, type: "file", executable, hash, elf: isElf(final) });
  };

  const small = (name: string, size: number, executable: boolean): FileSink => {
    let filled = 0;
    let whole: Uint8Array | undefined;
    return {
      write: (chunk) => {
        if (chunk.byteLength === size) whole = chunk;
        else {
          // Only files that span chunks are put together.
          if (scratch.length < size)
            scratch = Buffer.allocUnsafeSlow(Math.min(memoryLimit, Math.max(size, 2 * scratch.length)));
          scratch.set(chunk, filled);
        }
        filled += chunk.byteLength;
      },
      end: () => writeWhole(name, executable, whole ?? scratch.subarray(0, filled)),
    };
  };

  const large = (name: string, executable: boolean): FileSink => {
    const file = files.create(pathOf(name), modeFor(name, executable));
    const scan = scanner.start();
    const sha1 = createHash("sha1");
    let elf: boolean | undefined;
    return {
      write: (chunk) => {
        elf ??= isElf(chunk);
        file.write(chunk);
        scan.update(chunk);
        sha1.update(chunk);
      },
      end: () => {
        file.close();
        const kind = kindOf(name, () => scan.end());
        if (kind !== undefined) {
          const result = relocateLarge(files, { path: pathOf(name), kind, map, aliases });
          for (const problem of result.problems) problems.push({ name, ...problem });
          for (const prefix of result.aliased) aliased.add(prefix);
        }
        // What was changed on the disk is hashed when the package is finished.
        const hash = kind === undefined ? base32(sha1.digest()) : undefined;
        written.push({ name, type: "file", executable, hash, elf });
      },
    };
  };

  // Permissions are only widened to what they will be when the package is finished.
  const modeFor = (name: string, executable: boolean): number => {
    if (executable) executables.add(name);
    return executable ? 0o755 : 0o644;
  };

  return {
    written,
    problems,
    leftovers,
    aliased,
    relocated,
    directory: (name) => {
      if (name !== "") files.makeDirectory(pathOf(name), 0o755);
      written.push({ name, type: "directory", executable: true });
    },
    symlink: (name, target) => {
      const moved = isMetadata(name) ? undefined : relocateLink(target, map);
      if (moved !== undefined) relocated.links.add(name);
      const wanted = listed === undefined || listed.links.has(name);
      files.symlink(wanted ? (moved ?? target) : target, pathOf(name));
      written.push({ name, type: "symlink", executable: false });
    },
    hardlink: (name, existing) => {
      files.link(pathOf(existing), pathOf(name));
      written.push({ name, type: "hardlink", executable: executables.has(existing), existing });
    },
    file: (name, { size, executable }) => {
      if (leaveOut.has(name)) return ignored;
      return size <= memoryLimit ? small(name, size, executable) : large(name, executable);
    },
  };
}

/** Nothing in there is relocated: it tells of the build. */
const isMetadata = (name: string): boolean => name.startsWith(".spack/");

const ignored: FileSink = { write: () => undefined, end: () => undefined };

export const isElf = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
