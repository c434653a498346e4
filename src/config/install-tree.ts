import { posix } from "node:path";
import { type ConfigNode, nodeAt, plainOf, textAt } from "./node.js";
import { substitute, type Variables } from "./variables.js";

/** `config:install_tree`: where packages are installed, and how their prefixes are named. */
export interface InstallTree {
  /** The folder itself, without padding. */
  readonly root: string;
  /** Length in bytes that padding brings the root to; 0: none. `true` in the file: as long as paths may be. */
  readonly paddedLength: number;
  /** Spec to path format, in the order in which they are tried; undefined: Spack's default. */
  readonly projections: ReadonlyMap<string, string> | undefined;
  /** Characters of hashes in paths; undefined: all. */
  readonly hashLength?: number | undefined;
}

/** PATH_MAX of Linux and macOS' own limit are both above what a tree needs; Spack keeps 300 for below the root. */
const longestRoot = 4096 - 300;

/** undefined where no scope names a root. */
export function decodeInstallTree(
  config: ConfigNode | undefined,
  variables: Variables,
): InstallTree | undefined {
  const tree = nodeAt(config, ["install_tree"]);
  // A plain text is Spack's form before 0.16.
  const root = tree?.type === "scalar" ? tree : nodeAt(tree, ["root"]);
  if (root?.type !== "scalar" || typeof root.value !== "string") return undefined;
  const { file, line } = root.origin;
  const [written, oldPadding] = withoutPadding(root.value);
  const padded = nodeAt(tree, ["padded_length"]);
  const length = padded?.type === "scalar" ? padded.value : undefined;
  const hashes = nodeAt(config, ["install_hash_length"]);
  const hashLength = hashes?.type === "scalar" ? hashes.value : undefined;
  const projections = nodeAt(tree, ["projections"]);
  return {
    root: posix.resolve(posix.dirname(file), substitute(written, variables, `${file}:${line}`)),
    paddedLength: length === true ? longestRoot : typeof length === "number" ? length : oldPadding,
    projections:
      projections?.type === "map"
        ? new Map([...projections.entries].map(([spec, { value }]) => [spec, String(plainOf(value))]))
        : undefined,
    ...(typeof hashLength === "number" ? { hashLength } : {}),
  };
}

/** `root$padding:128`, Spack's form before 0.16. */
function withoutPadding(root: string): [string, number] {
  const found = /\$(?:padding(?::(\d+))?|\{padding(?::(\d+))?\})/.exec(root);
  if (found === null) return [root, 0];
  const length = found[1] ?? found[2];
  return [root.replace(found[0], ""), length === undefined ? longestRoot : Number(length)];
}

/** The root with Spack's padding: what is written into binaries. */
export function paddedRoot({ root, paddedLength }: InstallTree): string {
  // One character cannot be added: it could only be a slash, which paths drop.
  const missing = paddedLength - root.length - 1;
  if (missing <= 0) return root;
  const filler = "__spack_path_placeholder__";
  const step = filler.length + 1;
  const parts = Array.from({ length: Math.floor(missing / step) }, () => filler);
  const padding = [...parts, filler.slice(0, missing % step)].join("/");
  return `${root}/${padding.endsWith("/") ? `${padding.slice(0, -1)}_` : padding}`;
}

/** A text of `config` that is a path, its variables replaced. */
export function pathAt(
  config: ConfigNode | undefined,
  path: readonly string[],
  variables: Variables,
): string | undefined {
  const node = nodeAt(config, path);
  const text = textAt(config, path);
  if (node === undefined || text === undefined) return undefined;
  const { file, line } = node.origin;
  return posix.resolve(posix.dirname(file), substitute(text, variables, `${file}:${line}`));
}
