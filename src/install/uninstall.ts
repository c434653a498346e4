import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { formatShort } from "../spec/format-concrete.js";
import { type Database, type InstallRecord, refCountsOf } from "../store/database.js";
import type { Store } from "../store/store.js";
import { aliasOf } from "./alias.js";

export interface UninstallPlan {
  /** What goes, dependents first. */
  readonly removed: readonly InstallRecord[];
  /** Installed packages that need what goes, and keep it from going. */
  readonly protectedBy: ReadonlyMap<ConcreteSpec, readonly ConcreteSpec[]>;
  /** They go all the same, and what needs them breaks. */
  readonly force: boolean;
}

export interface UninstallOptions {
  /** Take the packages that need them as well. */
  readonly dependents?: boolean | undefined;
  /** Take them even if other packages need them. */
  readonly force?: boolean | undefined;
}

/** Plans to remove packages. Externals have no prefix of ours: only their record goes. */
export function planUninstall(
  { records }: Database,
  hashes: readonly DagHash[],
  { dependents = false, force = false }: UninstallOptions = {},
): UninstallPlan {
  const users = usersOf(records);
  const removed = new Set(hashes);
  if (dependents) for (const hash of removed) for (const user of users.get(hash) ?? []) removed.add(user);
  const protectedBy = new Map<ConcreteSpec, ConcreteSpec[]>();
  for (const hash of removed) {
    const kept = (users.get(hash) ?? []).filter((user) => !removed.has(user));
    const specs = kept.flatMap((user) => records.get(user)?.spec ?? []);
    const spec = records.get(hash)?.spec;
    if (spec !== undefined && specs.length > 0) protectedBy.set(spec, specs);
  }
  const order = dependentsFirst([...removed], users);
  return { removed: order.flatMap((hash) => records.get(hash) ?? []), protectedBy, force };
}

/** Packages that nothing explicit needs any more: over link and run edges, as `spack gc`. */
export function planCollection(
  database: Database,
  { keepBuildDependencies = false }: { keepBuildDependencies?: boolean | undefined } = {},
): UninstallPlan {
  const { records } = database;
  const needed = new Set<DagHash>();
  for (const [hash, { explicit, installed }] of records) if (explicit && installed) needed.add(hash);
  for (const hash of needed)
    for (const { hash: next, types } of records.get(hash)?.spec.dependencies ?? [])
      if (
        types.some((type) => type === "link" || type === "run" || (keepBuildDependencies && type === "build"))
      )
        needed.add(next);
  const unneeded = [...records].filter(
    ([hash, { installed, spec }]) => installed && spec.external === undefined && !needed.has(hash),
  );
  return planUninstall(
    database,
    unneeded.map(([hash]) => hash),
  );
}

/** Hash to the installed packages that link to it or run it: those break when it goes. */
function usersOf(records: Database["records"]): ReadonlyMap<DagHash, readonly DagHash[]> {
  const users = new Map<DagHash, DagHash[]>();
  for (const [user, { spec, installed }] of records) {
    if (!installed) continue;
    for (const { hash, types } of spec.dependencies)
      if (types.includes("link") || types.includes("run"))
        users.set(hash, [...(users.get(hash) ?? []), user]);
  }
  return users;
}

function dependentsFirst(
  hashes: readonly DagHash[],
  users: ReadonlyMap<DagHash, readonly DagHash[]>,
): DagHash[] {
  const wanted = new Set(hashes);
  const order = new Set<DagHash>();
  const visit = (hash: DagHash) => {
    if (!wanted.delete(hash)) return;
    for (const user of users.get(hash) ?? []) visit(user);
    order.add(hash);
  };
  for (const hash of hashes) visit(hash);
  return [...order];
}

/**
 * Removes packages: first from the database, in one write, then from the disk, each prefix by one rename.
 * @throws Failure `store.needed`, `store.locked`
 */
export async function uninstallPackages(plan: UninstallPlan, store: Store, call: Call = {}): Promise<void> {
  assertUnneeded(plan);
  if (plan.removed.length === 0) return;
  const hashes = plan.removed.map(({ spec }) => spec.hash);
  await using _locks = await store.lockPackages(hashes, { ...call, wait: true });
  await using staging = await store.openStaging();
  checkInterrupted(call);
  await store.updateDatabase((database) => {
    // Someone may have installed what needs them since the plan was made.
    assertUnneeded(planUninstall(database, hashes, plan));
    return withoutRecords(database, new Set(hashes));
  }, call);
  for (const { spec, path } of plan.removed) {
    if (spec.external !== undefined || path === undefined) continue;
    await staging.retire(path);
    await store.removeAlias(aliasOf(store, spec.hash), path);
  }
}

/** As Spack's `_remove`: a record that others name stays, as not installed, until the last of them goes. */
function withoutRecords(database: Database, removed: ReadonlySet<DagHash>): Database {
  const records = new Map(database.records);
  for (const [hash, record] of records)
    if (removed.has(hash)) records.set(hash, { ...record, installed: false, explicit: false });
  for (let before = -1; before !== records.size; ) {
    before = records.size;
    const counts = refCountsOf(records);
    const built = new Set([...records.values()].map(({ spec }) => spec.buildHash));
    for (const [hash, { installed }] of records)
      if (!installed && !counts.has(hash) && !built.has(hash)) records.delete(hash);
  }
  return { ...database, records };
}

function assertUnneeded({ protectedBy, force }: UninstallPlan): void {
  const [first] = protectedBy;
  if (first === undefined || force) return;
  const [needed, users] = first;
  const more = protectedBy.size > 1 ? `; ${protectedBy.size - 1} more are needed` : "";
  throw new Failure(
    "conflict",
    `${formatShort(needed)} is needed by ${users.map((user) => formatShort(user)).join(", ")}${more}`,
    {
      code: "store.needed",
      subject: needed.hash,
      hint: "Give --dependents to remove what needs it as well, or --force to break it.",
    },
  );
}
