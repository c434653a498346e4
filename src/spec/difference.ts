import type { SpecGraph } from "./concrete-spec.js";
import type { DagHash } from "./dag-hash.js";
import { flagNames } from "./flags.js";
import { closure, dependenciesOf } from "./graph.js";

/** What two specs do not have in common of one kind, in the words of `spack diff`. */
export interface SpecDifference {
  /** `version`, `variant_value`, `depends_on`, … */
  readonly attribute: string;
  /** `zlib 1.2.13`: only the first spec has it. */
  readonly removed: readonly string[];
  /** Only the second has it. */
  readonly added: readonly string[];
}

/** Compares specs with all that they depend on, be they of two graphs. */
export function differencesBetween(
  a: { readonly graph: SpecGraph; readonly root: DagHash },
  b: { readonly graph: SpecGraph; readonly root: DagHash },
): readonly SpecDifference[] {
  const [before, after] = [factsOf(a.graph, a.root), factsOf(b.graph, b.root)];
  const without = (these: ReadonlySet<string> = new Set(), others: ReadonlySet<string> = new Set()) =>
    [...these].filter((fact) => !others.has(fact)).sort();
  return [...new Set([...before.keys(), ...after.keys()])]
    .sort()
    .map((attribute) => ({
      attribute,
      removed: without(before.get(attribute), after.get(attribute)),
      added: without(after.get(attribute), before.get(attribute)),
    }))
    .filter(({ removed, added }) => removed.length + added.length > 0);
}

/** All that a spec and its dependencies say, by kind; the names of kinds are those of Spack's solver. */
function factsOf(graph: SpecGraph, root: DagHash): ReadonlyMap<string, ReadonlySet<string>> {
  const facts = new Map<string, Set<string>>();
  const tell = (attribute: string, ...words: readonly (string | undefined)[]): void => {
    if (words.includes(undefined)) return;
    const known = facts.get(attribute) ?? new Set();
    facts.set(attribute, known.add(words.join(" ")));
  };
  for (const spec of closure(graph, { roots: [root] })) {
    const { name } = spec;
    tell("hash", name, spec.hash);
    const packageHash = spec.node["package_hash"];
    tell("package_hash", name, typeof packageHash === "string" ? packageHash : undefined);
    tell("namespace", name, spec.namespace);
    tell("version", name, spec.version);
    tell("node_platform", name, spec.platform);
    tell("node_os", name, spec.os);
    tell("node_target", name, spec.target);
    tell("node_compiler", name, spec.compiler && `${spec.compiler.name}@${spec.compiler.version}`);
    for (const [key, value] of Object.entries(spec.parameters))
      for (const one of [value].flat())
        tell(flagNames.has(key) ? "node_flag" : "variant_value", name, key, pythonText(one));
    for (const edge of dependenciesOf(spec)) {
      for (const type of edge.types) tell("depends_on", name, edge.name, type);
      for (const virtual of edge.virtuals) tell("virtual_on_edge", name, edge.name, virtual);
    }
  }
  return facts;
}

const pythonText = (value: unknown): string =>
  value === true ? "True" : value === false ? "False" : String(value);
