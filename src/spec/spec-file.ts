import { decodeObject, inside, integerAt, listAt, objectAt, type Place, refuse } from "../base/decode.js";
import type { ConcreteSpec, Dependency, SpecGraph } from "./concrete-spec.js";
import type { DagHash } from "./dag-hash.js";
import { decodeNode } from "./node.js";
import { pythonJson } from "./python-json.js";

/**
 * The spec in a `spec.json`, an image configuration, or whatever else holds `{spec: {_meta, nodes}}`.
 * Its root is the first node.
 * @param subject names the file or URL in messages
 * @throws Failure `spec.invalid`, `spec.format-unsupported`
 */
export function decodeSpecFile(json: unknown, subject: string): SpecGraph {
  const place: Place = { subject, code: "spec.invalid", path: "" };
  const file = objectAt(decodeObject(json, place), "spec", place);
  const at = inside(place, "spec");
  const format = integerAt(objectAt(file, "_meta", at), "version", inside(at, "_meta"));
  assertFormat(format, inside(at, "_meta.version"));
  const nodesPlace = inside(at, "nodes");
  const nodes = listAt(file, "nodes", at).map((node, index) => decodeNode(node, inside(nodesPlace, index)));
  const [root] = nodes;
  if (root === undefined) throw refuse(nodesPlace, "is empty");
  return graphOf(nodes, { roots: [root.hash], format, place: nodesPlace });
}

export function assertFormat(format: number, place: Place): void {
  if (format >= 2 && format <= 5) return;
  throw refuse(
    { ...place, code: "spec.format-unsupported" },
    `is ${format}, but only the spec formats 2 to 5 (Spack 0.17 to 1.x) can be read`,
  );
}

/**
 * A graph of nodes that name each other.
 * @throws Failure with the place's code, where a hash occurs twice or a node is missing
 */
export function graphOf(
  specs: readonly ConcreteSpec[],
  { roots, format, place }: { roots: readonly DagHash[]; format: number; place: Place },
): SpecGraph {
  const nodes = new Map<DagHash, ConcreteSpec>();
  const resolve = edgeResolver(specs);
  for (const spec of specs) {
    if (nodes.has(spec.hash)) throw refuse(place, `holds ${spec.name}/${spec.hash} twice`);
    nodes.set(
      spec.hash,
      resolve === undefined ? spec : { ...spec, dependencies: spec.dependencies.map(resolve) },
    );
  }
  for (const spec of nodes.values()) {
    for (const { name, hash } of spec.dependencies)
      if (!nodes.has(hash))
        throw refuse(place, `has ${spec.name}/${spec.hash} depend on ${name}/${hash}, which is missing`);
  }
  for (const root of roots) if (!nodes.has(root)) throw refuse(place, `lacks the root ${root}`);
  return { roots, nodes, format };
}

/** Spack 0.17 named dependencies by a finer hash than the DAG hash; its nodes carry both. */
function edgeResolver(specs: readonly ConcreteSpec[]): ((edge: Dependency) => Dependency) | undefined {
  const finer = new Map<unknown, DagHash>();
  for (const { node, hash } of specs)
    for (const key of ["full_hash", "build_hash"]) if (node[key] !== undefined) finer.set(node[key], hash);
  return finer.size === 0 ? undefined : (edge) => ({ ...edge, hash: finer.get(edge.hash) ?? edge.hash });
}

/** The text of a `spec.json`, byte for byte as Spack writes it; nodes are written as they were read. */
export const encodeSpecFile = (graph: SpecGraph): string => pythonJson(specFileOf(graph));

/** What `encodeSpecFile` writes, for documents that hold more beside it. */
export function specFileOf(graph: SpecGraph): { spec: { _meta: { version: number }; nodes: unknown[] } } {
  return {
    spec: { _meta: { version: graph.format }, nodes: [...graph.nodes.values()].map((spec) => spec.node) },
  };
}
