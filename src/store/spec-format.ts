import { isObject, type JsonObject } from "../base/decode.js";
import { Failure } from "../base/failure.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { decodeNode } from "../spec/node.js";
import { specFormatOf } from "./database.js";

/**
 * A spec as a database of this version holds it. A node of format 4 in a format 5 file keeps its hash, and says
 * what it was (Spack's `to_node_dict`).
 * @param format of the file the spec was read from
 * @throws Failure `store.database-too-old` for a spec of Spack 1.x in a store of Spack 0.x, which could not read it
 */
export function specForDatabase(
  spec: ConcreteSpec,
  { format, version }: { format: number; version: string },
): ConcreteSpec {
  const wanted = specFormatOf(version);
  if (format === wanted || (format === 5 && wanted === 5)) return spec;
  const place = { subject: `${spec.name}/${spec.hash}`, code: "spec.invalid", path: "" };
  if (wanted === 5) return decodeNode(toFormat5(spec.node, format), place);
  throw new Failure(
    "unsupported",
    `${spec.name}@${spec.version} has spec format ${format}, but the store's database has version ${version}, which holds format ${wanted}`,
    {
      code: "store.database-too-old",
      subject: place.subject,
      hint: "Let the Spack that is to use this store convert it (`spack reindex` of 1.x), or install into another root.",
    },
  );
}

function toFormat5(node: JsonObject, format: number): JsonObject {
  const { compiler, hash, ...rest } = node;
  const annotations = {
    original_specfile_version: format,
    ...(isObject(compiler) ? { compiler: `${compiler["name"]}@=${compiler["version"]}` } : {}),
  };
  return { ...rest, annotations, hash };
}
