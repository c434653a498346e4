/**
 * Files, as a port of synchronous calls: for hot loops in worker threads, where an asynchronous call for
 * each small file would cost about ten times as much.
 *
 * Paths and names are text as `base/file-name.ts` has it. Every method throws a Failure `disk.*` that names the path.
 */
export interface Files {
  /** What a directory holds, in no order. */
  list(directory: string): readonly Listed[];
  /** Of the thing itself, not of what a link points to; undefined where there is nothing. */
  stat(path: string): FileStat | undefined;
  readLink(path: string): string;

  /** Opens a file to read it; a symbolic link is refused. */
  open(path: string): OpenFile;
  /** Makes a new file to write it; refused where anything is, be it a dangling link. */
  create(path: string, mode: number): OpenFile;

  /** Makes a directory, whose parent exists; refused where anything is. */
  makeDirectory(path: string, mode: number): void;
  symlink(target: string, path: string): void;
  /** Gives the file at `existing` another name. */
  link(existing: string, path: string): void;
  chmod(path: string, mode: number): void;
  rename(from: string, to: string): void;
  /** Removes a file, or a directory with all it holds; nothing there is fine. */
  remove(path: string): void;
}

export type FileType = "file" | "directory" | "symlink" | "other";

export interface Listed {
  readonly name: string;
  readonly type: FileType;
}

export interface FileStat {
  readonly type: FileType;
  readonly mode: number;
  readonly size: number;
  readonly mtimeMs: number;
  /** What other names of the same file have as well; undefined where this is the only name. */
  readonly identity: string | undefined;
}

export interface OpenFile {
  readonly path: string;
  stat(): FileStat;
  /** Reads on into `buffer` until it is full or the file ends; returns how many bytes. */
  read(buffer: Uint8Array): number;
  /** Writes on, all of it. */
  write(bytes: Uint8Array): void;
  chmod(mode: number): void;
  close(): void;
  [Symbol.dispose](): void;
}
