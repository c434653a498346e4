import type { Files } from "../archive/files.js";
import type { ManifestEntry } from "../store/install-manifest.js";

/** Synchronous files, as an install needs them beside what unpacking does. */
export interface InstallFiles extends Files {
  /** What `lstat` says, as an install manifest has it: no content's hash. */
  describe(path: string): ManifestEntry;
  /** Gives a file or a directory to a group, by its number. */
  changeGroup(path: string, group: number): void;
  /** Makes a new file with this content; refused where anything is. */
  write(path: string, content: Uint8Array, mode: number): void;
  /** Opens a file to change it in place. */
  update(path: string): UpdateFile;
}

export interface UpdateFile {
  readonly size: number;
  /** Fewer bytes only at the end. */
  read(offset: number, length: number): Uint8Array;
  /** Writes, past the end as well. */
  write(bytes: Uint8Array, offset: number): void;
  close(): void;
  [Symbol.dispose](): void;
}
