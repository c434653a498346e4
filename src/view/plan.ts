import type { Files, FileType } from "../archive/files.js";
import { textOf } from "../base/bytes.js";
import { Failure } from "../base/failure.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { decodeSpecFile } from "../spec/spec-file.js";

/** A package as it is installed. */
export interface ViewPackage {
  readonly spec: ConcreteSpec;
  readonly prefix: string;
  /** A short path that leads to its prefix, which its files may name. */
  readonly alias?: string | undefined;
}

/** Something of a package that gets a place in a view. */
export interface ViewEntry {
  /** Below the view's root. */
  readonly name: string;
  /** Where it is installed. */
  readonly from: string;
  readonly type: Exclude<FileType, "directory">;
  readonly owner: ViewPackage;
}

/** Why something cannot have its place. */
export type ViewConflict =
  /** Another package of that name is in the view. */
  | { readonly type: "package"; readonly spec: ConcreteSpec; readonly other: ConcreteSpec }
  /** Something else is at its path: of another package of this plan, or from before. */
  | {
      readonly type: "path";
      readonly spec: ConcreteSpec;
      readonly name: string;
      readonly other: ConcreteSpec | undefined;
    };

export interface ViewPlan {
  /** Absolute. */
  readonly root: string;
  /** All packages of the view that were asked for, those that it has already among them. */
  readonly packages: readonly ViewPackage[];
  readonly added: readonly ViewPackage[];
  /** Parents before what they hold. */
  readonly directories: readonly string[];
  readonly entries: readonly ViewEntry[];
  readonly conflicts: readonly ViewConflict[];
}

/** Where a prefix and a view have what tells of packages. */
export const metadata = ".spack";

/**
 * Plans how packages share one directory, as Spack's views do: each keeps its own layout, and its metadata is in
 * `.spack/NAME`. Of two that have something at one path the first keeps it.
 * @throws Failure `disk.*`, `spec.invalid` for metadata of the view that cannot be read
 */
export function planView(
  packages: readonly ViewPackage[],
  { root, files }: { readonly root: string; readonly files: Files },
): ViewPlan {
  const places = new Map<string, ViewPackage>();
  const directories = new Set<string>();
  const entries: ViewEntry[] = [];
  const conflicts: ViewConflict[] = [];
  const names = new Map<string, ConcreteSpec>();

  const place = (owner: ViewPackage, from: string, name: string): void => {
    const { spec } = owner;
    for (const { name: child, type } of files.list(from)) {
      const source = `${from}/${child}`;
      const target =
        name === "" ? (child === metadata ? `${metadata}/${spec.name}` : child) : `${name}/${child}`;
      const other = places.get(target);
      const there = files.stat(`${root}/${target}`);
      const blocked = { type: "path", spec, name: target, other: other?.spec } as const;
      if (type === "directory") {
        if (other !== undefined || (there !== undefined && there.type !== "directory")) {
          conflicts.push(blocked);
          continue;
        }
        directories.add(target);
        place(owner, source, target);
      } else if (other !== undefined || directories.has(target)) conflicts.push(blocked);
      else {
        places.set(target, owner);
        if (there === undefined) entries.push({ name: target, from: source, type, owner });
        // What is there already as it should be was left by a run that ended early.
        else if (there.type !== "symlink" || files.readLink(`${root}/${target}`) !== source)
          conflicts.push(blocked);
      }
    }
  };

  const added = packages.filter(({ spec }) => {
    const other = names.get(spec.name) ?? packageIn(root, spec.name, files);
    names.set(spec.name, other ?? spec);
    if (other !== undefined && other.hash !== spec.hash) conflicts.push({ type: "package", spec, other });
    return other === undefined;
  });
  for (const owner of added) {
    if (files.stat(`${owner.prefix}/${metadata}`) !== undefined) directories.add(metadata);
    place(owner, owner.prefix, "");
  }
  return { root, packages, added, directories: [...directories], entries: specsLast(entries), conflicts };
}

const specFile = (name: string): string => `${metadata}/${name}/spec.json`;

/** A package is in the view once its spec is: so that comes when all else is there. */
function specsLast(entries: readonly ViewEntry[]): readonly ViewEntry[] {
  const isSpec = ({ name, owner }: ViewEntry) => name === specFile(owner.spec.name);
  return [...entries.filter((entry) => !isSpec(entry)), ...entries.filter(isSpec)];
}

/** The package of a name that is in a view; undefined where its links lead nowhere. */
export function packageIn(root: string, name: string, files: Files): ConcreteSpec | undefined {
  const path = `${root}/${specFile(name)}`;
  const there = files.stat(path);
  if (there === undefined) return undefined;
  const target = there.type === "symlink" ? files.readLink(path) : path;
  // The package was uninstalled, and its links lead nowhere.
  if (files.stat(target) === undefined) return undefined;
  const graph = decodeSpecFile(parseJson(readWhole(target, files), target), target);
  return graph.roots[0] === undefined ? undefined : graph.nodes.get(graph.roots[0]);
}

function parseJson(bytes: Uint8Array, subject: string): unknown {
  try {
    return JSON.parse(textOf(bytes) ?? "");
  } catch (cause) {
    throw new Failure("corrupt", `${subject} is not JSON`, {
      code: "spec.invalid",
      subject,
      hint: "The view was cut off while it was made: remove this file, and make the view again.",
      cause,
    });
  }
}

export function readWhole(path: string, files: Files): Uint8Array {
  using file = files.open(path);
  const content = new Uint8Array(file.stat().size);
  return content.subarray(0, file.read(content));
}
