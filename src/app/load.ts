import { statSync } from "node:fs";
import { type Environment, imageEnvironment } from "../environment/environment.js";
import { type Shell, shellCommands } from "../environment/shell.js";
import { graphOfDatabase } from "../push/plan.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { nodeOf, topologicalOrder } from "../spec/graph.js";
import { openContext, type StowageOptions } from "./context.js";
import { configuredInspections } from "./inspections.js";
import { openInstalled, selectInstalled } from "./installed.js";

export { type Shell, shells } from "../environment/shell.js";

export interface LoadOptions extends StowageOptions {
  readonly shell: Shell;
}

export interface LoadResult {
  readonly packages: readonly ConcreteSpec[];
  /** For the shell to `eval`; empty where all is as it should be. */
  readonly commands: string;
  /** The variables that change, as they will be. */
  readonly environment: Environment;
}

/** Where the system's own programs are: its paths keep their place (Spack's `SYSTEM_PATHS`). */
const systemPrefixes: ReadonlySet<string> = new Set(["/", "/usr", "/usr/local"]);

/**
 * The commands that put packages, and what they need to run, on a shell's paths.
 * @throws Failure `store.missing`, `spec.no-match`, `spec.ambiguous`
 */
export async function load(specs: readonly string[], options: LoadOptions): Promise<LoadResult> {
  const context = await openContext(options);
  const { store, root } = await openInstalled(context);
  const database = await store.readDatabase(context);
  const hashes = selectInstalled(database, specs, { root });
  const graph = graphOfDatabase(database, hashes);
  const needed = topologicalOrder(graph, { types: ["link", "run"] }).toReversed();
  const run = new Set([
    ...hashes,
    ...needed.flatMap(({ dependencies }) =>
      dependencies.filter(({ types }) => types.includes("run")).map(({ hash }) => hash),
    ),
  ]);
  const before = new Map(
    Object.entries(context.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  const after = new Map(
    imageEnvironment(
      needed.flatMap(({ hash }) => {
        const prefix = database.records.get(hash)?.path;
        return prefix === undefined || systemPrefixes.has(prefix) ? [] : [{ prefix, runs: run.has(hash) }];
      }),
      before,
      {
        inspections: await configuredInspections(context),
        hasDirectory: (prefix, directory) =>
          statSync(`${prefix}/${directory}`, { throwIfNoEntry: false })?.isDirectory() === true,
      },
    ),
  );
  // Without an empty element `man` would look nowhere else.
  const manPath = after.get("MANPATH");
  if (manPath !== undefined && !manPath.endsWith(":")) after.set("MANPATH", `${manPath}:`);
  const loaded = (before.get("SPACK_LOADED_HASHES") ?? "").split(":").filter((hash) => hash !== "");
  const all = [...hashes.toReversed(), ...loaded.filter((hash) => !hashes.some((other) => other === hash))];
  after.set("SPACK_LOADED_HASHES", all.join(":"));
  return {
    packages: hashes.map((hash) => nodeOf(graph, hash)),
    commands: shellCommands(before, after, options.shell),
    environment: new Map([...after].filter(([name, value]) => before.get(name) !== value)),
  };
}
