import type { LayerScan, ScannedElf } from "./layer-scan.js";

/** A layer of an image, as far as it matters to the loader. */
export interface TreeLayer {
  readonly scan: LayerScan;
  /** The package that it is of: `greet@2.1.0/fnjwovn`; none for a base image's. */
  readonly owner?: string | undefined;
}

/** A program or library as it is found in an image. */
export interface TreeElf extends ScannedElf {
  readonly owner: string | undefined;
}

/** The files of an image's layers on top of each other, as far as they matter to the loader. */
export interface ImageTree {
  /** Programs and libraries, lowest layer first. */
  readonly elf: readonly TreeElf[];
  /** Directories that the loader's configuration names. */
  readonly libraryPaths: readonly string[];
  /** The program or library at a path, links followed. */
  find(path: string): TreeElf | undefined;
}

/** As many links as Linux follows. */
const mostLinks = 40;

export function createImageTree(layers: readonly TreeLayer[]): ImageTree {
  const files = new Map<string, TreeElf | { readonly target: string }>();
  for (const { scan, owner } of layers) {
    for (const path of scan.removed)
      for (const known of files.keys())
        if (known === path || known.startsWith(path.endsWith("/") ? path : `${path}/`)) files.delete(known);
    for (const elf of scan.elf) files.set(elf.path, { ...elf, owner });
    for (const { path, target } of scan.links) files.set(path, { target });
  }

  /** Follows links in every part of a path: `/lib` is one in most distributions. */
  function find(path: string): TreeElf | undefined {
    let left = mostLinks;
    const parts = path.split("/");
    let at = "";
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      if (part === "" || part === ".") continue;
      if (part === "..") {
        at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
        continue;
      }
      const next = `${at}/${part}`;
      const file = files.get(next);
      if (file !== undefined && "target" in file) {
        if (left-- === 0) return undefined;
        parts.unshift(...file.target.split("/"));
        if (file.target.startsWith("/")) at = "";
      } else at = next;
    }
    const file = files.get(at);
    return file === undefined || "target" in file ? undefined : file;
  }

  return {
    elf: [...files.values()].filter((file): file is TreeElf => !("target" in file)),
    libraryPaths: layers.flatMap(({ scan }) => scan.libraryPaths),
    find,
  };
}
