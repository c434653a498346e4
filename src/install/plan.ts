import { hasZstd, zstdMissing } from "../archive/zstd.js";
import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import type { Entry, EntryRequest, PackageSource } from "../buildcache/source.js";
import { mediaTypes } from "../oci/media-types.js";
import type { ConcreteSpec, DependencyType, SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { dependenciesOf, topologicalOrder } from "../spec/graph.js";
import { checkHash } from "../spec/hash-check.js";
import type { Host } from "../spec/host.js";
import type { Database } from "../store/database.js";
import { shebangLimit } from "../relocate/sbang.js";
import { type Layout, layoutOf } from "../store/layout.js";
import { hostProblems } from "./host.js";
import { prefixIn, sbangPathOf } from "./prefixes.js";
import { type TightPackage, tightFailure, tightPackages } from "./room.js";

export interface InstallRequest {
  readonly roots: readonly EntryRequest[];
  /** Asked in this order, for each package. */
  readonly sources: readonly PackageSource[];
  readonly database: Database;
  readonly layout: Layout;
  /** What the packages will run on; without one nothing is checked against it. */
  readonly host?: Host | undefined;
  /** Install the roots again where they are installed. */
  readonly overwrite?: boolean | undefined;
  /** Leave the roots out, or what they depend on. */
  readonly only?: "package" | "dependencies" | undefined;
  /** What the roots were built with too. */
  readonly buildDependencies?: boolean | undefined;
  /** Of the roots those that someone asked for; else all are. */
  readonly explicit?: ReadonlySet<DagHash> | undefined;
  /** What no mirror has is left out, with what needs it, and is no problem. */
  readonly allowMissing?: boolean | undefined;
  /** Refuse what may not be movable to this root. */
  readonly strict?: boolean | undefined;
  /** Bytes free where the store is. */
  readonly freeBytes?: number | undefined;
}

export type PlannedPackage = Present | Fetch;

/** Installed already. */
export interface Present {
  readonly state: "present";
  readonly spec: ConcreteSpec;
  readonly prefix: string;
  readonly explicit: boolean;
}

/** To be fetched and installed. */
export interface Fetch {
  readonly state: "fetch";
  readonly spec: ConcreteSpec;
  readonly prefix: string;
  readonly explicit: boolean;
  readonly entry: Entry;
  /** Replaces what is there. */
  readonly overwrite: boolean;
}

/** What an install will do: data, complete before the first byte of a package is fetched. */
export interface InstallPlan {
  readonly roots: readonly DagHash[];
  /** All that the roots need to run, dependencies first. */
  readonly graph: SpecGraph;
  /** Dependencies first. */
  readonly packages: readonly PlannedPackage[];
  readonly externals: readonly ConcreteSpec[];
  /** Bytes to fetch. */
  readonly bytes: number;
  /** What no mirror has; where that is allowed, what needs it too. */
  readonly missing: readonly EntryRequest[];
  /** Packages that may not be movable to this root: it depends on what their binaries hold. */
  readonly tight: readonly TightPackage[];
  /** Why it cannot be done; all that is known, not only the first. */
  readonly problems: readonly Failure[];
}

/** A binary is installed for what it needs at run time. */
const runtime: readonly DependencyType[] = ["link", "run"];

/** Requests to mirrors at once, while planning. */
const lookups = 16;

/**
 * Plans an install. What can be known to fail is in `problems`: binaries for another machine, packages that no
 * mirror has, too little space.
 * @throws Failure of a mirror that cannot be asked, or whose answer is broken
 */
export async function planInstall(request: InstallRequest, call?: Call): Promise<InstallPlan> {
  const { database, layout, only } = request;
  const found = createLookup(request.sources);
  const rootEntries = await mapLimited(request.roots, lookups, (root) => found(root, call));
  const missing: EntryRequest[] = request.roots.filter((_, i) => rootEntries[i] === undefined);
  const entries = rootEntries.filter((entry) => entry !== undefined);
  const graph = joined(entries);
  const types: readonly DependencyType[] =
    request.buildDependencies === true ? [...runtime, "build"] : runtime;
  const roots = new Set(graph.roots);
  const wanted = topologicalOrder(graph, { types }).toReversed();

  const planned = await mapLimited(
    wanted.filter(({ external }) => external === undefined),
    lookups,
    async (spec): Promise<PlannedPackage | undefined> => {
      checkInterrupted(call);
      const isRoot = roots.has(spec.hash);
      if (only !== undefined && isRoot !== (only === "package")) return undefined;
      const prefix = prefixIn(database, { layout, spec, graph });
      if (prefix === undefined) throw new Error(`${spec.name} has no prefix`);
      const about = { spec, prefix, explicit: isRoot && request.explicit?.has(spec.hash) !== false };
      const installed = database.records.get(spec.hash)?.installed === true;
      const overwrite = isRoot && request.overwrite === true;
      if (installed && !overwrite) return { ...about, state: "present" };
      const { name, version, hash } = spec;
      const entry =
        entries.find((root) => root.spec.hash === hash) ?? (await found({ hash, name, version }, call));
      if (entry !== undefined) return { ...about, state: "fetch", entry, overwrite };
      missing.push({ hash, name, version });
      return undefined;
    },
  );
  const known = planned.filter((one) => one !== undefined);
  const packages = request.allowMissing === true ? withoutBroken(known, missing) : known;
  const fetched = packages.filter((one) => one.state === "fetch");
  const tight = tightPackages(fetched, layout);
  const bytes = fetched.reduce((sum, { entry }) => sum + entry.layer.size, 0);
  return {
    roots: graph.roots,
    graph,
    packages,
    externals: wanted.filter(({ external }) => external !== undefined),
    bytes,
    missing,
    tight,
    problems: [
      ...(request.allowMissing === true ? [] : missingProblems(missing, request.sources)),
      ...(only === "package" ? leftOutProblems(wanted, { roots, database }) : []),
      ...unbelievable(fetched),
      ...unreadable(fetched),
      ...(request.host === undefined
        ? []
        : hostProblems(graph, { specs: fetched.map(({ spec }) => spec), host: request.host })),
      ...(fetched.length === 0 ? [] : rootProblems(layout)),
      ...(request.strict === true ? tight.map((one) => tightFailure(one, layout)) : []),
      ...spaceProblems(bytes, request),
    ],
  };
}

/** Leaves out what needs something that is missing, which is then missing itself. @param packages dependencies first */
function withoutBroken(packages: readonly PlannedPackage[], missing: EntryRequest[]): PlannedPackage[] {
  const broken = new Set(missing.map(({ hash }) => hash));
  return packages.filter(({ spec, state }) => {
    if (state === "present" || !dependenciesOf(spec, runtime).some(({ hash }) => broken.has(hash)))
      return true;
    broken.add(spec.hash);
    missing.push(spec);
    return false;
  });
}

/**
 * The first mirror that has a package answers. What one of them cannot say is only a failure if no other has it.
 */
export function createLookup(sources: readonly PackageSource[]) {
  // Who did not answer is not asked for the next package: each would wait for it anew.
  const silent = new Map<PackageSource, Failure>();
  return async (request: EntryRequest, call: Call | undefined): Promise<Entry | undefined> => {
    let failed: unknown;
    for (const source of sources) {
      const before = silent.get(source);
      if (before !== undefined) {
        failed ??= before;
        continue;
      }
      try {
        const entry = await source.resolve(request, call);
        if (entry !== undefined) return entry;
      } catch (error) {
        checkInterrupted(call);
        if (error instanceof Failure && error.kind === "unavailable" && !silent.has(source)) {
          silent.set(source, error);
          if (sources.length > 1)
            call?.report?.({
              type: "note",
              level: "warning",
              message: `asking the other mirrors, not ${source.label}: ${error.message}`,
            });
        }
        failed ??= error;
      }
    }
    if (failed !== undefined) throw failed;
    return undefined;
  };
}

/** One graph over the roots' own. The same hash is the same spec, so where they overlap they agree. */
function joined(entries: readonly Entry[]): SpecGraph {
  const nodes = new Map(entries.flatMap(({ graph }) => [...graph.nodes]));
  const roots = [...new Set(entries.map(({ spec }) => spec.hash))];
  return { roots, nodes, format: Math.max(2, ...entries.map(({ graph }) => graph.format)) };
}

const shown = ({ name, version, hash }: EntryRequest): string =>
  name === undefined
    ? `/${hash}`
    : `${name}${version === undefined ? "" : `@${version}`}/${hash.slice(0, 7)}`;

function missingProblems(missing: readonly EntryRequest[], sources: readonly PackageSource[]): Failure[] {
  const [first] = missing;
  if (first === undefined) return [];
  const subject = shown(first);
  const how =
    "Push what is missing from a store that has it, or add a mirror: `stowage mirror add NAME URL`.";
  if (sources.length === 0)
    return [
      new Failure("not-found", "there is no mirror to install from", {
        code: "install.no-mirror",
        subject,
        hint: how,
      }),
    ];
  const what = missing.length === 1 ? "a package is" : `${missing.length} packages are`;
  const where = sources.map(({ label }) => label).join(", ");
  return [
    new Failure("not-found", `${what} in none of the mirrors (${where}): ${missing.map(shown).join(", ")}`, {
      code: "install.package-missing",
      subject,
      hint: how,
    }),
  ];
}

/** A package alone is of use where what it needs is there already; Spack refuses it else, too. */
function leftOutProblems(
  wanted: readonly ConcreteSpec[],
  { roots, database }: { readonly roots: ReadonlySet<DagHash>; readonly database: Database },
): Failure[] {
  const lacking = wanted.filter(
    ({ external, hash }) =>
      external === undefined && !roots.has(hash) && database.records.get(hash)?.installed !== true,
  );
  const [first] = lacking;
  if (first === undefined) return [];
  return [
    new Failure("not-found", `what is to be installed alone needs ${lacking.map(shown).join(", ")}`, {
      code: "install.dependencies-left-out",
      subject: shown(first),
      hint: "Install that too: without --only package, or before it with --only dependencies.",
    }),
  ];
}

/** Where two mirrors tell of the same hash, the one that is fetched must be what its hash says. */
function unbelievable(fetched: readonly Fetch[]): Failure[] {
  return fetched
    .filter(
      ({ spec, entry }) =>
        entry.spec.hash !== spec.hash || checkHash(entry.spec, entry.graph.format) === "different",
    )
    .map(
      ({ spec, entry }) =>
        new Failure("corrupt", `${entry.label}: ${shown(spec)} is not the package that its hash names`, {
          code: "install.hash-mismatch",
          subject: shown(spec),
          hint: "Do not use this mirror until its package is pushed again from where it was built.",
        }),
    );
}

/** Told before anything is downloaded. */
function unreadable(fetched: readonly Fetch[]): Failure[] {
  if (hasZstd) return [];
  const first = fetched.find(({ entry }) => entry.layer.mediaType === mediaTypes.ociLayerZstd);
  return first === undefined
    ? []
    : [zstdMissing(`${shown(first.spec)} in ${first.entry.label} is compressed with zstd`)];
}

/** Scripts whose interpreter has too long a path are started by `sbang`, whose own path must not be too long. */
function rootProblems(layout: Layout): Failure[] {
  const room = shebangLimit - Buffer.byteLength(`#!/bin/sh ${sbangPathOf(layoutOf(""))}\n`);
  const length = Buffer.byteLength(layout.unpaddedRoot);
  if (length <= room) return [];
  return [
    new Failure(
      "unsupported",
      `the root ${layout.unpaddedRoot} has ${length} bytes, too long for the interpreter lines of scripts`,
      {
        code: "install.root-too-long",
        subject: layout.unpaddedRoot,
        hint: `Use a store root of at most ${room} bytes.`,
      },
    ),
  ];
}

/** Unpacked, packages are never smaller than packed; the packed ones are kept in the cache as well. */
function spaceProblems(bytes: number, { freeBytes, layout }: InstallRequest): Failure[] {
  if (freeBytes === undefined || freeBytes >= bytes) return [];
  return [
    new Failure(
      "unavailable",
      `${layout.root} has ${freeBytes} bytes free, but what is to be installed has ${bytes} packed`,
      {
        code: "store.no-space",
        subject: layout.root,
        hint: "Free some space, or choose another place with --store.",
      },
    ),
  ];
}

/** @throws Failure the plan's problem, or one that lists them all */
export function assertInstallable({ problems }: InstallPlan): void {
  const [first, ...more] = problems;
  if (first === undefined) return;
  if (more.length === 0) throw first;
  throw new Failure(first.kind, problems.map(({ message }) => message).join("; "), {
    code: first.code,
    hint: first.hint,
    subject: first.subject,
    cause: new AggregateError(problems),
  });
}
