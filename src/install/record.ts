import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { closure } from "../spec/graph.js";
import { type Database, type InstallRecord, withRecords } from "../store/database.js";
import type { Layout } from "../store/layout.js";
import { specForDatabase } from "../store/spec-format.js";
import type { Fetch } from "./plan.js";
import { prefixIn } from "./prefixes.js";

export interface Recording {
  readonly installed: readonly Fetch[];
  /** Packages that were there before, and are asked for by name now. */
  readonly explicit: readonly DagHash[];
  readonly graph: SpecGraph;
  readonly layout: Layout;
  /** Seconds since 1970. */
  readonly now: number;
}

/**
 * The database with what was installed, as Spack's `_add` leaves it: all that a record's spec depends on over build,
 * link and run edges has a record as well, if only one that says that it is not installed.
 */
export function recordInstalled(database: Database, recording: Recording): Database {
  const { installed, explicit, layout, now } = recording;
  const changed = new Map<DagHash, InstallRecord>();
  const known = (hash: DagHash) => changed.get(hash) ?? database.records.get(hash);

  const recordOf = (spec: ConcreteSpec, graph: SpecGraph): InstallRecord => ({
    spec: specForDatabase(spec, { format: graph.format, version: database.version }),
    path: prefixIn(database, { layout, spec, graph }),
    installed: spec.external !== undefined,
    explicit: false,
    refCount: 0,
    installationTime: now,
    deprecatedFor: undefined,
    inBuildcache: undefined,
    raw: undefined,
  });

  for (const { entry, prefix, explicit: asked } of installed) {
    const { graph, spec } = entry;
    const build = graph.nodes.get(spec.buildHash ?? spec.hash) ?? spec;
    const needed = closure(graph, {
      roots: [...new Set([spec.hash, build.hash])],
      types: ["build", "link", "run"],
    });
    for (const other of needed.toReversed())
      if (known(other.hash) === undefined) changed.set(other.hash, recordOf(other, graph));
    const record = known(spec.hash) ?? recordOf(spec, graph);
    changed.set(spec.hash, {
      ...record,
      path: prefix,
      installed: true,
      explicit: record.explicit || asked,
      installationTime: now,
    });
  }
  for (const hash of explicit) {
    const record = known(hash);
    if (record !== undefined) changed.set(hash, { ...record, explicit: true });
  }
  return withRecords(database, changed.values());
}
