import type { Call } from "../base/call.js";
import type { DagHash } from "../spec/dag-hash.js";
import type { Database } from "./database.js";
import type { Layout } from "./layout.js";

/** An install tree. */
export interface Store {
  /** Absolute, without a final slash. */
  readonly root: string;
  readonly layout: Layout;
  /**
   * The packages it says it has; a store that does not exist yet has none.
   * @throws Failure `store.database-corrupt`, `store.locked`
   */
  readDatabase(call?: Call): Promise<Database>;
  /**
   * Changes the database: read, changed by `change` and written under one exclusive lock.
   * @throws Failure `store.locked`, `store.locks-unavailable`, `store.no-space`
   */
  updateDatabase(change: (database: Database) => Database, call?: Call): Promise<Database>;
  /**
   * Holds the packages' own locks, as Spack does while it installs or removes them, until disposed. Without
   * `wait` those that someone else holds are left out: who waits should hold nothing others may wait for.
   * @throws Failure `store.locked`, `store.locks-unavailable`
   */
  lockPackages(
    hashes: readonly DagHash[],
    call?: Call & { readonly wait?: boolean | undefined },
  ): Promise<PackageLocks>;
  /** Whether anything is at a path of the store. */
  isTaken(path: string): Promise<boolean>;
  /** Puts `sbang` where long interpreter lines lead, unless one is there. */
  provideSbang(script: string): Promise<void>;
  /**
   * A short path that leads to a prefix: a link in `.a`.
   * @throws Failure `store.alias-taken` where it leads elsewhere
   */
  provideAlias(alias: string, prefix: string): Promise<void>;
  /** Removes an alias if it leads to this prefix. */
  removeAlias(alias: string, prefix: string): Promise<void>;
  /** What stands in the store, whatever its database says. */
  survey(): Promise<Survey>;
  /** A private place on the store's file system; removed when disposed, or by the next process if this one dies. */
  openStaging(): Promise<Staging>;
}

/** Paths are absolute. */
export interface Survey {
  /** Directories that are packages by their own metadata. */
  readonly prefixes: readonly string[];
  readonly aliases: readonly { readonly path: string; readonly target: string }[];
  /** Staging of processes that died. */
  readonly abandoned: readonly string[];
}

export interface PackageLocks extends AsyncDisposable {
  readonly held: ReadonlySet<DagHash>;
}

/** Where packages are made before one rename puts them at their prefix. */
export interface Staging extends AsyncDisposable {
  readonly path: string;
  /** A path in it that nothing has yet. */
  newPath(): string;
  /**
   * Renames a finished directory to a prefix; with `overwrite`, in place of what is there.
   * @throws Failure `store.prefix-exists`
   */
  publish(directory: string, prefix: string, options?: { overwrite?: boolean | undefined }): Promise<void>;
  /** Takes a prefix away in one rename, then removes it; nothing there is fine. */
  retire(prefix: string): Promise<void>;
}
