import type { Files } from "../archive/files.js";
import { type Call, checkInterrupted } from "../base/call.js";
import { relocateBinary } from "../relocate/binary.js";
import { relocateLink } from "../relocate/link.js";
import { type PrefixMap, prefixMapOf } from "../relocate/prefix-map.js";
import { relocateText } from "../relocate/text.js";
import { readWhole, type ViewEntry, type ViewPackage, type ViewPlan } from "./plan.js";

/** How a file of a package becomes one of a view. */
export const viewMethods = ["symlink", "hardlink", "copy"] as const;
export type ViewMethod = (typeof viewMethods)[number];

export interface MakeViewOptions extends Call {
  readonly method: ViewMethod;
  readonly files: Files;
  /** Root of the store that the packages are in. */
  readonly storeRoot: string;
}

/** Something of the view that still names where it was installed. */
export interface ViewProblem {
  readonly name: string;
  readonly text: string;
}

/**
 * Makes a view. Copies name the view where they named their packages. In any view scripts for a python that is in it
 * are copies that start the view's, and so are its programs, which look for their modules beside themselves.
 * @throws Failure `disk.*`
 */
export function makeView(plan: ViewPlan, options: MakeViewOptions): readonly ViewProblem[] {
  const { root, packages } = plan;
  const { files, method, storeRoot } = options;
  for (const directory of ["", ...plan.directories]) {
    const path = directory === "" ? root : `${root}/${directory}`;
    if (files.stat(path) === undefined) files.makeDirectory(path, 0o755);
  }
  const pythons = packages.filter(isPython);
  const { all, onlyPython } = mapsOf(packages, { root, storeRoot });
  const problems: ViewProblem[] = [];
  const copied = new Map<string, string>();
  const links: ViewEntry[] = [];

  for (const entry of plan.entries) {
    checkInterrupted(options);
    const { name, from, type } = entry;
    const path = `${root}/${name}`;
    if (type === "symlink") links.push(entry);
    else if (method === "copy") problems.push(...copy(entry, { path, files, ...all }));
    else if (needsCopy(entry, { files, pythons })) {
      copy(entry, { path, files, ...onlyPython });
      copied.set(from, name);
    } else if (method === "hardlink") files.link(from, path);
    else files.symlink(from, path);
  }
  for (const { name, from } of links) {
    const path = `${root}/${name}`;
    const target = files.readLink(from);
    // A link to what was copied leads to the copy.
    const leadsTo = target.startsWith("/") ? target : `${from.slice(0, from.lastIndexOf("/"))}/${target}`;
    if (method === "copy") files.symlink(relocateLink(target, all.binary) ?? target, path);
    else if (copied.has(leadsTo)) files.symlink(`${root}/${copied.get(leadsTo)}`, path);
    else files.symlink(method === "symlink" ? from : target, path);
  }
  return problems;
}

/** What copies name instead of their packages: in a view of copies, and in one of links. */
export function mapsOf(
  packages: readonly ViewPackage[],
  { root, storeRoot }: { readonly root: string; readonly storeRoot: string },
): { readonly all: CopyMaps; readonly onlyPython: CopyMaps } {
  const prefixes = packages.flatMap(({ prefix, alias }) =>
    [prefix, alias].flatMap((path) => (path === undefined ? [] : [[path, root] as const])),
  );
  const pythons = packages.filter(isPython).map(({ prefix }) => [prefix, root] as const);
  return {
    all: { binary: prefixMapOf(prefixes), text: prefixMapOf([...prefixes, [storeRoot, root]]) },
    onlyPython: { binary: prefixMapOf([]), text: prefixMapOf(pythons) },
  };
}

export interface CopyMaps {
  readonly binary: PrefixMap;
  readonly text: PrefixMap;
}

const isPython = ({ spec: { name } }: ViewPackage): boolean => name === "python" || name === "python-venv";

/** A script in `bin` that starts a python of the view, or a program of that python. */
function needsCopy(
  { name, from, owner }: ViewEntry,
  { files, pythons }: { files: Files; pythons: readonly ViewPackage[] },
): boolean {
  if (pythons.length === 0 || !name.startsWith("bin/") || ((files.stat(from)?.mode ?? 0) & 0o111) === 0)
    return false;
  if (isPython(owner)) return true;
  using file = files.open(from);
  const start = Buffer.alloc(1024);
  const line = start.toString("latin1", 0, file.read(start)).split("\n")[0] ?? "";
  return line.startsWith("#!") && pythons.some(({ prefix }) => line.includes(`${prefix}/`));
}

interface Copying extends CopyMaps {
  readonly path: string;
  readonly files: Files;
}

type Copied = Pick<ViewEntry, "name" | "from">;

function copy(entry: Copied, { path, files, ...maps }: Copying): readonly ViewProblem[] {
  const { bytes, problems } = copied(entry, files, maps);
  using file = files.create(path, 0o600);
  file.write(bytes);
  file.chmod(files.stat(entry.from)?.mode ?? 0o644);
  return problems;
}

/** What a copy of a package's file is. */
export function copied(
  { name, from }: Copied,
  files: Files,
  { binary, text }: CopyMaps,
): { readonly bytes: Uint8Array; readonly problems: readonly ViewProblem[] } {
  const content = readWhole(from, files);
  if (name.startsWith(".spack/")) return { bytes: content, problems: [] };
  if (!content.includes(0)) return { bytes: relocateText(content, text) ?? content, problems: [] };
  const { bytes = content, problems } = relocateBinary(content, binary);
  return { bytes, problems: problems.map((problem) => ({ name, text: problem.text })) };
}
