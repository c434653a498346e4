import type { Bytes } from "../base/bytes.js";
import type { Call } from "../base/call.js";

/** Bytes to be written, that can be read again where writing has to start over. */
export interface ObjectContent {
  /** Bytes. */
  readonly size: number;
  open(call?: Call): Bytes;
}

/** An object as a listing tells of it. */
export interface ListedObject {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** By the clock of whoever stores it, in milliseconds since 1970; undefined where that is not told. */
  readonly writtenAt: number | undefined;
}

/**
 * A tree of objects under names with slashes: a directory, a web site, a part of an S3 bucket. That something is not
 * there is only said where the other side said so; what else goes wrong is thrown.
 */
export interface ObjectStore {
  /** For messages: its URL, without secrets. */
  readonly label: string;
  /** The size of an object in bytes; undefined where there is none. */
  stat(path: string, call?: Call): Promise<number | undefined>;
  /** Its bytes; undefined where there is none. */
  read(path: string, call?: Call): Promise<Bytes | undefined>;
  /**
   * Stores an object: readers see what was there before or all of the new one, never a part.
   * @returns `exists` where `replace` is false and there is one, which is left as it is
   */
  write(
    path: string,
    content: ObjectContent,
    call?: Call & { readonly replace?: boolean | undefined },
  ): Promise<"written" | "exists">;
  /**
   * Paths of all objects below a folder (`build_cache/`), in no order; undefined where the store cannot tell: web
   * servers have no listing.
   */
  list: ((folder: string, call?: Call) => AsyncIterable<string>) | undefined;
  /** The same with sizes and times, for which a directory has to look at each file. */
  objects: ((folder: string, call?: Call) => AsyncIterable<ListedObject>) | undefined;
  /** What is not there is deleted already. */
  delete(path: string, call?: Call): Promise<void>;
}
