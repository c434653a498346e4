import type { JsonObject } from "../base/decode.js";
import { isObject } from "../base/decode.js";

/**
 * A node in spec format 5, as Spack 1.x keeps what older Spacks concretized: the same hash, the compiler as an
 * annotation instead of a key, dependencies with `parameters` instead of `type`.
 */
export function currentNode(node: JsonObject, format: number): JsonObject {
  if (format >= 5 || isObject(node["annotations"])) return node;
  const { compiler, dependencies, hash, ...rest } = node;
  const annotations: Record<string, unknown> = { original_specfile_version: format };
  if (isObject(compiler)) annotations["compiler"] = `${compiler["name"]}@=${compiler["version"]}`;
  return {
    ...rest,
    ...(Array.isArray(dependencies) ? { dependencies: dependencies.map(currentEdge) } : {}),
    annotations,
    hash,
  };
}

function currentEdge(edge: unknown): unknown {
  if (!isObject(edge) || edge["type"] === undefined) return edge;
  return { name: edge["name"], hash: edge["hash"], parameters: { deptypes: edge["type"], virtuals: [] } };
}
