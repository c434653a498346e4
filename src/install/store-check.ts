import type { Call } from "../base/call.js";
import { checkInterrupted } from "../base/call.js";
import { mapLimited } from "../base/limit.js";
import type { DagHash } from "../spec/dag-hash.js";
import { checkHash } from "../spec/hash-check.js";
import { type Database, type InstallRecord, refCountsOf, specFormatOf } from "../store/database.js";
import type { Store, Survey } from "../store/store.js";
import type { Deviation, Verified } from "./verify.js";

/** Something that is not as it should be in a store. */
export type StoreProblem =
  /** The database says that it is installed, but its prefix is not there. */
  | { readonly type: "prefix-missing"; readonly hash: DagHash; readonly name: string; readonly path: string }
  /** Nothing says what files it should have. */
  | {
      readonly type: "manifest-missing";
      readonly hash: DagHash;
      readonly name: string;
      readonly path: string;
    }
  | {
      readonly type: "changed";
      readonly hash: DagHash;
      readonly name: string;
      readonly path: string;
      readonly deviations: readonly Deviation[];
    }
  /** It needs a package that the database does not know, or knows not to be installed. */
  | {
      readonly type: "dependency-missing";
      readonly hash: DagHash;
      readonly name: string;
      readonly needs: DagHash;
    }
  | { readonly type: "hash-mismatch"; readonly hash: DagHash; readonly name: string }
  | { readonly type: "ref-count"; readonly hash: DagHash; readonly name: string; readonly counted: number }
  | Leftover;

/** Something on the disk that the database does not know of. */
export type Leftover =
  /** A whole package, as a process that was killed leaves it: the next install of it records it. */
  | { readonly type: "prefix-unknown"; readonly path: string }
  /** A short path that leads to nothing that is installed. */
  | { readonly type: "alias-broken"; readonly path: string; readonly target: string }
  /** What a process that was killed had not finished. */
  | { readonly type: "staging-abandoned"; readonly path: string };

export interface StoreReport {
  readonly packages: number;
  readonly files: number;
  readonly problems: readonly StoreProblem[];
}

export interface StoreCheckOptions extends Call {
  /** What is on the disk beside the database. */
  readonly survey?: Survey | undefined;
  readonly verify: (prefix: string, call: Call) => Promise<Verified>;
  /** Prefixes looked at at once. */
  readonly jobs?: number | undefined;
}

/** Compares a store's database with itself and with the disk. */
export async function checkStore(database: Database, options: StoreCheckOptions): Promise<StoreReport> {
  const installed = [...database.records.values()].filter(
    ({ installed: there, spec }) => there && spec.external === undefined,
  );
  let files = 0;
  const found = await mapLimited(installed, options.jobs ?? 4, async (record): Promise<StoreProblem[]> => {
    checkInterrupted(options);
    const { spec, path = "" } = record;
    const about = { hash: spec.hash, name: spec.name, path };
    const verified = await options.verify(path, options);
    if (verified.type === "no-prefix") return [{ type: "prefix-missing", ...about }];
    if (verified.type === "no-manifest") return [{ type: "manifest-missing", ...about }];
    files += verified.files;
    return verified.deviations.length === 0
      ? []
      : [{ type: "changed", ...about, deviations: verified.deviations }];
  });
  return {
    packages: installed.length,
    files,
    problems: [...recordProblems(database), ...found.flat(), ...leftovers(installed, options.survey)],
  };
}

function leftovers(installed: readonly InstallRecord[], survey: Survey | undefined): readonly Leftover[] {
  if (survey === undefined) return [];
  const known = new Set(installed.map(({ path }) => path));
  return [
    ...survey.prefixes
      .filter((path) => !known.has(path))
      .map((path) => ({ type: "prefix-unknown", path }) as const),
    ...survey.aliases
      .filter(({ target }) => !known.has(target))
      .map((alias) => ({ type: "alias-broken", ...alias }) as const),
    ...survey.abandoned.map((path) => ({ type: "staging-abandoned", path }) as const),
  ];
}

function recordProblems({ version, records }: Database): StoreProblem[] {
  const counts = refCountsOf(records);
  const format = specFormatOf(version);
  return [...records].flatMap(([hash, { spec, refCount, installed }]): StoreProblem[] => {
    const about = { hash, name: spec.name };
    const counted = counts.get(hash) ?? 0;
    const missing = installed
      ? spec.dependencies.filter(
          ({ hash: needs, types }) =>
            types.some((type) => type === "link" || type === "run") && records.get(needs)?.installed !== true,
        )
      : [];
    return [
      ...(checkHash(spec, format) === "different" ? [{ type: "hash-mismatch", ...about } as const] : []),
      ...(refCount === counted ? [] : [{ type: "ref-count", ...about, counted } as const]),
      ...missing.map(({ hash: needs }) => ({ type: "dependency-missing", ...about, needs }) as const),
    ];
  });
}

const mended: ReadonlySet<StoreProblem["type"]> = new Set([
  "prefix-missing",
  "ref-count",
  "alias-broken",
  "staging-abandoned",
]);

/**
 * Mends what can be mended without a mirror: leftovers of the store's own, counts, and records of packages whose prefix is gone, which become not
 * installed, so that the next install fetches them.
 * @returns the problems that are left
 */
export async function repairStore(
  { problems }: StoreReport,
  store: Store,
  call: Call = {},
): Promise<readonly StoreProblem[]> {
  const gone = new Set(
    problems.flatMap((problem) => (problem.type === "prefix-missing" ? [problem.hash] : [])),
  );
  const miscounted = problems.some(({ type }) => type === "ref-count");
  if (gone.size > 0 || miscounted)
    await store.updateDatabase((database) => {
      const records = new Map<DagHash, InstallRecord>(database.records);
      for (const hash of gone) {
        const record = records.get(hash);
        if (record !== undefined) records.set(hash, { ...record, installed: false });
      }
      // Counts are never taken over: they are made anew whenever the database is written.
      return { ...database, records };
    }, call);
  for (const problem of problems)
    if (problem.type === "alias-broken") await store.removeAlias(problem.path, problem.target);
  // Whoever opens staging clears what dead processes left.
  if (problems.some(({ type }) => type === "staging-abandoned"))
    await (await store.openStaging())[Symbol.asyncDispose]();
  return problems.filter(({ type }) => !mended.has(type));
}
