import { textOf } from "../base/bytes.js";
import {
  decodeObject,
  inside,
  isObject,
  type JsonObject,
  objectAt,
  type Place,
  refuse,
  stringAt,
} from "../base/decode.js";
import { Failure } from "../base/failure.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { type DagHash, isDagHash } from "../spec/dag-hash.js";
import { decodeNode } from "../spec/node.js";
import { pythonJson } from "../spec/python-json.js";

/** What a store's database says of one package. */
export interface InstallRecord {
  readonly spec: ConcreteSpec;
  /** Absolute path of its prefix; undefined in the index of a build cache. */
  readonly path: string | undefined;
  readonly installed: boolean;
  /** Asked for by someone, not only needed by another package. */
  readonly explicit: boolean;
  /** Records that depend on it over build, link and run edges, or are deprecated for it. */
  readonly refCount: number;
  /** Seconds since 1970. */
  readonly installationTime: number | undefined;
  readonly deprecatedFor: DagHash | undefined;
  /** In the index of a build cache: whether the package itself is there. */
  readonly inBuildcache: boolean | undefined;
  /** The record as it was read, key order kept; undefined for one made here. */
  readonly raw: JsonObject | undefined;
}

/** `.spack-db/index.json` of a store, or the index of a build cache. */
export interface Database {
  /** "5" to "8". */
  readonly version: string;
  readonly records: ReadonlyMap<DagHash, InstallRecord>;
}

/** The version Spack 1.x writes. */
export const currentDatabaseVersion = "8";

/** Version of the spec format that a database version holds (Spack's `database.py`, `reader`). */
const specFormats: Readonly<Record<string, number>> = { "5": 1, "6": 3, "7": 4, "8": 5 };

export const emptyDatabase = (version: string = currentDatabaseVersion): Database => ({
  version,
  records: new Map(),
});

/** Format of the specs in a database of this version (`_meta.version` of a spec file). */
export const specFormatOf = (version: string): number => specFormats[version] ?? 5;

/**
 * @param subject the file or URL the bytes come from
 * @throws Failure `store.database-corrupt`, `store.database-version`
 */
export function decodeDatabase(bytes: Uint8Array, subject: string): Database {
  const place: Place = {
    subject,
    code: "store.database-corrupt",
    path: "",
    hint: "If it is a store's, `spack reindex` rebuilds it from the installed packages.",
  };
  const database = objectAt(decodeObject(parseJson(bytes, place), place), "database", place);
  const at = inside(place, "database");
  const version = stringAt(database, "version", at);
  const format = specFormats[version];
  if (format === undefined)
    throw new Failure("unsupported", `${subject} is a Spack database of version ${version}`, {
      code: "store.database-version",
      subject,
      hint: `Versions ${Object.keys(specFormats).join(", ")} can be read.`,
    });
  const records = new Map<DagHash, InstallRecord>();
  const installs = inside(at, "installs");
  for (const [hash, raw] of Object.entries(objectAt(database, "installs", at))) {
    const here = inside(installs, hash);
    if (!isDagHash(hash)) throw refuse(here, "is not the name of a record: it is not a DAG hash");
    records.set(hash, decodeRecord(decodeObject(raw, here), hash, here));
  }
  return { version, records };
}

function parseJson(bytes: Uint8Array, place: Place): unknown {
  const text = textOf(bytes);
  if (text === undefined) throw refuse(place, "is not UTF-8");
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { subject, code, hint } = place;
    throw new Failure(
      "corrupt",
      `${subject} is not JSON: ${cause instanceof Error ? cause.message : cause}`,
      {
        code,
        subject,
        hint,
        cause,
      },
    );
  }
}

function decodeRecord(raw: JsonObject, hash: DagHash, place: Place): InstallRecord {
  const { path, installed, explicit, ref_count, installation_time, deprecated_for, in_buildcache } = raw;
  return {
    spec: decodeNode({ ...nodeOf(raw["spec"], place), hash }, inside(place, "spec")),
    // Old databases say "None" for an external without a path.
    path: typeof path === "string" && path !== "None" ? path : undefined,
    installed: installed === true,
    explicit: explicit === true,
    refCount: typeof ref_count === "number" ? ref_count : 0,
    installationTime: typeof installation_time === "number" ? installation_time : undefined,
    deprecatedFor:
      typeof deprecated_for === "string" && isDagHash(deprecated_for) ? deprecated_for : undefined,
    inBuildcache: typeof in_buildcache === "boolean" ? in_buildcache : undefined,
    raw,
  };
}

/** The oldest formats say `{name: {…}}` where later ones say `{"name": name, …}`. */
function nodeOf(json: unknown, place: Place): JsonObject {
  const spec = decodeObject(json, inside(place, "spec"));
  const [name = "", node] = Object.entries(spec)[0] ?? [];
  return "name" in spec || !isObject(node) ? spec : { name, ...node };
}

/** The database as Spack writes it: compact, ASCII, records and unknown keys in the order they had. */
export function encodeDatabase({ version, records }: Database): string {
  const refCounts = refCountsOf(records);
  const installs: Record<string, unknown> = {};
  for (const [hash, record] of records) installs[hash] = encodeRecord(record, refCounts.get(hash) ?? 0);
  return pythonJson({ database: { version, installs } });
}

function encodeRecord(record: InstallRecord, refCount: number): Record<string, unknown> {
  const { raw } = record;
  const known: Record<string, unknown> = {
    spec: raw?.["spec"] ?? record.spec.node,
    ref_count: refCount,
    // A record of a build cache's index has no prefix, and so nothing that is said of one.
    ...(record.inBuildcache === undefined
      ? {
          path: record.path ?? raw?.["path"] ?? null,
          installed: record.installed,
          explicit: record.explicit,
          installation_time: record.installationTime ?? null,
          deprecated_for: record.deprecatedFor ?? null,
        }
      : { in_buildcache: record.inBuildcache }),
  };
  return { ...raw, ...known };
}

/** How many records need each record: over build, link and run edges, and by deprecation. */
export function refCountsOf(records: Database["records"]): ReadonlyMap<DagHash, number> {
  const counts = new Map<DagHash, number>();
  const count = (hash: DagHash) => counts.set(hash, (counts.get(hash) ?? 0) + 1);
  for (const { spec, deprecatedFor } of records.values()) {
    for (const { hash, types } of spec.dependencies) if (types.some((type) => type !== "test")) count(hash);
    if (deprecatedFor !== undefined) count(deprecatedFor);
  }
  return counts;
}

/** The database with these records added, or in place of those of the same hash. */
export function withRecords(database: Database, added: Iterable<InstallRecord>): Database {
  const records = new Map(database.records);
  for (const record of added) records.set(record.spec.hash, record);
  return { ...database, records };
}
