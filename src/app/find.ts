import { Failure } from "../base/failure.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import { createMatcher } from "../spec/matches.js";
import { parseSpecs } from "../spec/parse-spec.js";
import { specFormatOf } from "../store/database.js";
import { openContext, type StowageOptions } from "./context.js";
import { openInstalled } from "./installed.js";

export interface FindOptions extends StowageOptions {
  /** `true`: only what was asked for; `false`: only what came along as a dependency. */
  readonly explicit?: boolean | undefined;
  /** Externals only. */
  readonly external?: boolean | undefined;
  /** The store's paths are below this directory. */
  readonly sysroot?: string | undefined;
}

export interface FoundPackage {
  readonly spec: ConcreteSpec;
  /** Absolute; undefined for an external without a path. */
  readonly prefix: string | undefined;
  readonly explicit: boolean;
  /** Seconds since 1970. */
  readonly installationTime: number | undefined;
}

export interface FindResult {
  /** Root of the store. */
  readonly root: string;
  readonly packages: readonly FoundPackage[];
  /** All that the store knows, to tell dependencies and compilers. */
  readonly graph: SpecGraph;
}

/**
 * The installed packages that match any of `specs` (a text may hold several); all where none are given.
 * @throws Failure `store.missing`, `spec.no-match` where nothing matches
 */
export async function find(specs: readonly string[] = [], options: FindOptions = {}): Promise<FindResult> {
  const context = await openContext(options);
  const { store, root } = await openInstalled(context, options.sysroot);
  const database = await store.readDatabase(context);
  const nodes = new Map([...database.records].map(([hash, { spec }]) => [hash, spec]));
  const graph: SpecGraph = { roots: [], nodes, format: specFormatOf(database.version) };
  const matches = createMatcher(graph);
  const queries = specs.flatMap(parseSpecs);
  const { explicit, external } = options;
  const packages = [...database.records.values()].filter(
    (record) =>
      record.installed &&
      (explicit === undefined || record.explicit === explicit) &&
      (external !== true || record.spec.external !== undefined) &&
      (queries.length === 0 || queries.some((query) => matches(record.spec, query))),
  );
  if (packages.length === 0 && specs.length > 0)
    throw new Failure("not-found", `no package in ${root} matches ${specs.join(" ")}`, {
      code: "spec.no-match",
      subject: specs.join(" "),
      hint: "`stowage find` lists what is installed.",
    });
  return {
    root,
    graph,
    packages: packages.map(({ spec, path, explicit: asked, installationTime }) => ({
      spec,
      prefix: path,
      explicit: asked,
      installationTime,
    })),
  };
}
