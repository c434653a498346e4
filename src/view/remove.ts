import type { Files, FileStat } from "../archive/files.js";
import { type Call, checkInterrupted } from "../base/call.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { copied, type CopyMaps, mapsOf } from "./make.js";
import { metadata, packageIn, readWhole, type ViewPackage } from "./plan.js";

/** A package that a view has. */
export interface LinkedPackage {
  readonly name: string;
  /** undefined where it was uninstalled, and its links lead nowhere. */
  readonly spec: ConcreteSpec | undefined;
}

/** The packages of a view, by name. @throws Failure `disk.*`, `spec.invalid` */
export function packagesIn(root: string, files: Files): readonly LinkedPackage[] {
  const folder = `${root}/${metadata}`;
  if (files.stat(folder)?.type !== "directory") return [];
  const names = files.list(folder).filter(({ type }) => type === "directory");
  return names
    .map(({ name }) => ({ name, spec: packageIn(root, name, files) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

export interface RemoveFromView extends Call {
  readonly root: string;
  readonly remove: readonly ViewPackage[];
  /** All packages of the view. */
  readonly packages: readonly ViewPackage[];
  readonly files: Files;
  readonly storeRoot: string;
}

export interface RemovedFromView {
  readonly files: number;
  /** At paths of the packages, but none of theirs: changed, or put there by someone else. */
  readonly kept: readonly string[];
}

/**
 * Takes packages out of a view: links to them, other names of their files, and copies that are as they were made.
 * Directories that are empty then go with them.
 * @throws Failure `disk.*`
 */
export function removeFromView(options: RemoveFromView): RemovedFromView {
  const { root, remove, packages, files, storeRoot } = options;
  const maps = Object.values(mapsOf(packages, { root, storeRoot }));
  const staying = packages.filter((one) => !remove.includes(one));
  const kept: string[] = [];
  let count = 0;

  const drop = (name: string): void => {
    files.remove(`${root}/${name}`);
    count += 1;
  };
  /** Whether it is empty when all that is to go has gone. */
  const clear = (directory: string): boolean => {
    checkInterrupted(options);
    let left = 0;
    for (const { name: child, type } of files.list(directory === "" ? root : `${root}/${directory}`)) {
      const name = directory === "" ? child : `${directory}/${child}`;
      // What tells of a package is never shared.
      const isTold = remove.some(({ spec }) => name.startsWith(`${metadata}/${spec.name}/`));
      if (type === "directory") {
        const isTheirs = isTold || remove.some((one) => hasAt(one, name));
        if (!clear(name) || !isTheirs) left += 1;
        else files.remove(`${root}/${name}`);
      } else if (isTold || remove.some((one) => isOf(one, name))) drop(name);
      else {
        if (remove.some((one) => hasAt(one, name)) && !staying.some((one) => hasAt(one, name)))
          kept.push(name);
        left += 1;
      }
    }
    return left === 0;
  };
  const hasAt = ({ spec, prefix }: ViewPackage, name: string): boolean =>
    name === metadata || name === `${metadata}/${spec.name}` || files.stat(`${prefix}/${name}`) !== undefined;

  const isOf = ({ prefix }: ViewPackage, name: string): boolean => {
    const path = `${root}/${name}`;
    const from = `${prefix}/${name}`;
    const there = files.stat(path);
    const source = files.stat(from);
    if (there?.type === "symlink") {
      const target = files.readLink(path);
      if (target.startsWith(`${prefix}/`)) return true;
      // A package's own link: in the view it leads to the same, or to what is a copy there.
      const same = source?.type === "symlink" && target === files.readLink(from);
      return (
        source?.type === "symlink" &&
        (same || target.startsWith(`${root}/`)) &&
        !staying.some((one) => hasAt(one, name))
      );
    }
    if (there?.type !== "file" || source?.type !== "file") return false;
    return isSame(there, source) || maps.some((map) => isCopy({ name, from, path }, map));
  };
  const isCopy = ({ name, from, path }: { name: string; from: string; path: string }, map: CopyMaps) =>
    Buffer.compare(readWhole(path, files), copied({ name, from }, files, map).bytes) === 0;

  clear("");
  return { files: count, kept };
}

const isSame = (a: FileStat, b: FileStat): boolean => a.identity !== undefined && a.identity === b.identity;
