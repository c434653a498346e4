import { compilerOfPackage, formatFlags } from "./abstract-spec.js";
import type { ConcreteSpec, SpecGraph } from "./concrete-spec.js";
import type { DagHash } from "./dag-hash.js";
import { flagNames } from "./flags.js";
import { dependenciesOf, inOrder, nodeOf } from "./graph.js";
import { formatVariants, recordedVariant } from "./variant.js";

/** `zlib@1.2.13/7i7xbvp`, with as many digits of the hash as asked for. */
export const formatShort = ({ name, version, hash }: ConcreteSpec, digits = 7): string =>
  `${name}@${version}/${hash.slice(0, digits)}`;

/** All of a spec but its dependencies: `zlib@=1.2.13+shared build_system=makefile platform=linux os=… target=…`. */
export const formatFull = (spec: ConcreteSpec): string =>
  // Of a git version the ref alone is exact.
  formatNode(spec, isGitVersion(spec.version) ? spec.version : `=${spec.version}`);

const isGitVersion = (version: string): boolean => /^git\.|=|^[0-9a-f]{40}$/.test(version);

function formatNode(spec: ConcreteSpec, version: string): string {
  const { name, platform, os, target } = spec;
  const parts = formatFlagsOf(spec) + formatVariantsOf(spec);
  return `${name}@${version}${parts} platform=${platform} os=${os} target=${target}`;
}

/** ` cflags="-O2"`, with a blank before each; empty where there are none. */
export const formatFlagsOf = ({ parameters }: ConcreteSpec): string =>
  formatFlags(
    new Map(
      Object.entries(parameters).flatMap(([key, value]) =>
        flagNames.has(key) && Array.isArray(value)
          ? [[key, value.map((text) => ({ text: String(text), propagate: false }))] as const]
          : [],
      ),
    ),
  );

/** `+pic~shared build_system=makefile`. */
export const formatVariantsOf = ({ parameters }: ConcreteSpec): string =>
  formatVariants(
    Object.entries(parameters)
      .filter(([key]) => !flagNames.has(key))
      .map(([key, value]) => recordedVariant(key, value)),
  );

/** A spec with all it depends on, a line for each, at the place where it is nearest to the root. */
export const formatTree = (graph: SpecGraph, root: DagHash): string =>
  nearestTree(graph, root)
    .map(({ spec, depth }) => {
      const line = `${formatNode(spec, spec.version)} ${formatCompilers(spec, graph)}`.trim();
      return `${"    ".repeat(depth)}${depth > 0 ? "^" : ""}${line}\n`;
    })
    .join("");

/** The closure of `root` as a tree, parents before children, each spec once: where it is nearest to the root. */
export function nearestTree(
  graph: SpecGraph,
  root: DagHash,
): readonly { readonly spec: ConcreteSpec; readonly depth: number }[] {
  const children = new Map<DagHash, DagHash[]>([[root, []]]);
  // A map hands out what is added while it is walked: breadth first.
  for (const [hash, below] of children) {
    for (const edge of dependenciesOf(nodeOf(graph, hash))) {
      if (children.has(edge.hash)) continue;
      children.set(edge.hash, []);
      below.push(edge.hash);
    }
  }
  const tree: { spec: ConcreteSpec; depth: number }[] = [];
  const stack = [{ hash: root, depth: 0 }];
  for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
    const { hash, depth } = item;
    tree.push({ spec: nodeOf(graph, hash), depth });
    for (const child of children.get(hash)?.toReversed() ?? []) stack.push({ hash: child, depth: depth + 1 });
  }
  return tree;
}

const languages = ["c", "cxx", "fortran"];

/** `%c,cxx=gcc@12.2.0`; of formats before 5 `%gcc@=12.2.0`, as all languages had one compiler. */
export function formatCompilers(spec: ConcreteSpec, graph: SpecGraph): string {
  if (spec.compilers !== undefined) return spec.compilers;
  if (spec.compiler !== undefined) return `%${spec.compiler.name}@=${spec.compiler.version}`;
  const compilers = spec.dependencies.filter(({ virtuals }) =>
    virtuals.some((virtual) => languages.includes(virtual)),
  );
  return inOrder(compilers)
    .map(({ hash, name, virtuals }) => {
      const compiler = `%${virtuals.toSorted().join(",")}=${compilerOfPackage.get(name) ?? name}`;
      // An index may lack what was only needed to build.
      const version = graph.nodes.get(hash)?.version;
      return version === undefined ? compiler : `${compiler}@${version}`;
    })
    .join(" ");
}
