import { randomUUID } from "node:crypto";
import { lstat, mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { checkInterrupted } from "../../base/call.js";
import { Failure } from "../../base/failure.js";
import type { DagHash } from "../../spec/dag-hash.js";
import {
  currentDatabaseVersion,
  type Database,
  decodeDatabase,
  emptyDatabase,
  encodeDatabase,
} from "../../store/database.js";
import { type Layout, type LayoutOptions, layoutOf, projectionOf } from "../../store/layout.js";
import type { PackageLocks, Store } from "../../store/store.js";
import { writeAtomically } from "../disk/atomic.js";
import { diskFailure, systemCodeOf } from "../disk/disk-failure.js";
import { type LockFile, openLockFile } from "./lock-file.js";
import { lock, packageLockRange, wholeFile } from "./locks.js";
import { isThere, listAbandoned, listed, openStaging } from "./staging.js";

/** Without a projection its packages' own is followed, else Spack 1.x's. */
export interface StoreOptions extends LayoutOptions {
  /** false: nobody else uses the store, so take no locks. */
  readonly locks?: boolean | undefined;
  /** Milliseconds to wait for the database's lock, and for each package's. */
  readonly lockTimeout?: number | undefined;
}

/** As Spack's `config:db_lock_timeout`. */
const defaultLockTimeout = 60_000;

/**
 * The install tree at `root`, which need not exist yet.
 * @throws Failure `store.database-corrupt`
 */
export async function openStore(root: string, options: StoreOptions = {}): Promise<Store> {
  const { locks = true, lockTimeout: timeout = defaultLockTimeout } = options;
  const paths = pathsOf(root);
  const layout = await openLayout(paths, root, options);

  return {
    root,
    layout,
    readDatabase: async (call) => {
      checkInterrupted(call);
      // No lock: the file is replaced by a rename, so it is whole whenever it is read, by anyone.
      return await readDatabase(paths.index);
    },
    updateDatabase: async (change, call) => {
      await using _held = await lockDatabase();
      await removeLeftovers(paths.database);
      const before = await readDatabase(paths.index);
      const after = change(before);
      if (after !== before) await writeDatabase(paths, after);
      return after;

      async function lockDatabase(): Promise<AsyncDisposable> {
        if (!locks) {
          await mkdir(paths.database, { recursive: true });
          return { [Symbol.asyncDispose]: async () => undefined };
        }
        const file = await openLockFile(paths.lock);
        return await holding(file, () =>
          lock(file, wholeFile(true), { ...call, timeout, subject: `the database of ${root}` }),
        );
      }
    },
    lockPackages: async (hashes, call) => {
      if (!locks) return { held: new Set(hashes), [Symbol.asyncDispose]: async () => undefined };
      const file = await openLockFile(paths.prefixLock);
      const held = new Set<DagHash>();
      const taken = await holding(file, async () => {
        for (const hash of hashes) {
          if (call?.wait === true)
            await lock(file, packageLockRange(hash), {
              ...call,
              timeout,
              subject: `${root}: package ${hash}`,
            });
          else if ((await file.tryLock(packageLockRange(hash))) !== undefined) continue;
          held.add(hash);
        }
      });
      return { held, [Symbol.asyncDispose]: taken[Symbol.asyncDispose] } satisfies PackageLocks;
    },
    isTaken: isThere,
    provideSbang: async (script) => {
      const path = join(layout.unpaddedRoot, "bin", "sbang");
      if (await isThere(path)) return;
      await makeDirectory(dirname(path));
      await writeAtomically(path, script, { mode: 0o755 });
    },
    provideAlias: async (alias, prefix) => {
      await makeDirectory(dirname(alias));
      try {
        await symlink(prefix, alias);
      } catch (error) {
        if (systemCodeOf(error) !== "EEXIST") throw diskFailure(error, { doing: "create", path: alias });
        const target = await readlink(alias);
        if (target !== prefix)
          throw new Failure("conflict", `${alias} should lead to ${prefix}, but leads to ${target}`, {
            code: "store.alias-taken",
            subject: alias,
            hint: "Remove it if nothing uses it, or install into a store with a shorter root.",
          });
      }
    },
    removeAlias: async (alias, prefix) => {
      if ((await isThere(alias)) && (await readlink(alias)) === prefix) await rm(alias);
    },
    survey: async () => ({
      prefixes: await prefixesBelow(root, deepestPrefix),
      aliases: await Promise.all(
        (await listed(join(root, ".a"))).map(async (name) => {
          const path = join(root, ".a", name);
          return { path, target: await readlink(path) };
        }),
      ),
      abandoned: locks ? await listAbandoned(join(root, ".stowage-staging")) : [],
    }),
    openStaging: async () => {
      await makeDirectory(root);
      return await openStaging(join(root, ".stowage-staging"), { locks });
    },
  };
}

/** Directories between a store's root and its packages: no projection in use has more than four. */
const deepestPrefix = 5;

async function prefixesBelow(directory: string, depth: number): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of await listed(directory)) {
    const path = join(directory, name);
    if (name.startsWith(".") || !(await lstat(path)).isDirectory()) continue;
    if (await isThere(join(path, ".spack", "spec.json"))) found.push(path);
    else if (depth > 1) found.push(...(await prefixesBelow(path, depth - 1)));
  }
  return found;
}

interface Paths {
  readonly database: string;
  readonly index: string;
  readonly verifier: string;
  readonly lock: string;
  readonly prefixLock: string;
}

function pathsOf(root: string): Paths {
  const database = join(root, ".spack-db");
  return {
    database,
    index: join(database, "index.json"),
    verifier: join(database, "index_verifier"),
    lock: join(database, "lock"),
    prefixLock: join(database, "prefix_lock"),
  };
}

async function openLayout(paths: Paths, root: string, options: StoreOptions): Promise<Layout> {
  const projection = options.projection ?? projectionOf(await readDatabase(paths.index), root);
  return layoutOf(root, { ...options, projection });
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw diskFailure(error, { doing: "create", path });
  }
}

async function readDatabase(path: string): Promise<Database> {
  try {
    return decodeDatabase(await readFile(path), path);
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return emptyDatabase(currentDatabaseVersion);
    if (systemCodeOf(error) === "ENOTDIR")
      throw new Failure("usage", `${path} cannot be a store's database: a file is in the way`, {
        code: "store.not-a-directory",
        subject: path,
        hint: "Name the root of an install tree, or a new place, with --store.",
        cause: error,
      });
    throw diskFailure(error, { doing: "read", path });
  }
}

async function writeDatabase(paths: Paths, database: Database): Promise<void> {
  await writeAtomically(paths.index, encodeDatabase(database), { sync: true });
  // Readers compare it with the one they know, and read the database again where it differs.
  // In place, as Spack does: what was read before stays open.
  await writeFile(paths.verifier, randomUUID());
}

/** Temporary files of a process that died while it wrote; whoever holds the lock is the only writer. */
async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory))
    if (/^index\.json\.[0-9a-f]{12}\.tmp$/.test(name)) await rm(join(directory, name), { force: true });
}

/** The file, closed and so unlocked when disposed; closed at once where `take` fails. */
async function holding(file: LockFile, take: () => Promise<void>): Promise<AsyncDisposable> {
  try {
    await take();
  } catch (error) {
    await file.close();
    throw error;
  }
  return { [Symbol.asyncDispose]: () => file.close() };
}
