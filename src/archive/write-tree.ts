import type { Files, OpenFile } from "./files.js";
import type { TreeSink } from "./unpack.js";

export interface TreeWriter extends TreeSink {
  /** Closes the file that an error left half written. */
  [Symbol.dispose](): void;
}

/**
 * Writes the entries of an archive below `root`, which must not exist: only then is nothing written
 * through a link that was there before. Modes are 0755 and 0644, less what the process's umask takes.
 */
export function createTreeWriter(files: Files, root: string): TreeWriter {
  let open: OpenFile | undefined;
  const at = (path: string): string => (path === "" ? root : `${root}/${path}`);
  const close = (): void => {
    open?.close();
    open = undefined;
  };
  return {
    directory: (path) => files.makeDirectory(at(path), 0o755),
    symlink: (path, target) => files.symlink(target, at(path)),
    hardlink: (path, existing) => files.link(at(existing), at(path)),
    file: (path, { executable }) => {
      const file = files.create(at(path), executable ? 0o755 : 0o644);
      open = file;
      return { write: file.write, end: close };
    },
    [Symbol.dispose]: close,
  };
}
