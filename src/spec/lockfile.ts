import {
  decodeObject,
  inside,
  integerAt,
  listAt,
  objectAt,
  type Place,
  refuse,
  stringAt,
} from "../base/decode.js";
import type { SpecGraph } from "./concrete-spec.js";
import type { DagHash } from "./dag-hash.js";
import { decodeNode, hashAt } from "./node.js";
import { graphOf } from "./spec-file.js";

/** An environment's `spack.lock`. */
export interface Lockfile {
  readonly version: number;
  /** What the user asked for, and what became of it. */
  readonly roots: readonly LockedRoot[];
  readonly graph: SpecGraph;
}

export interface LockedRoot {
  readonly hash: DagHash;
  readonly spec: string;
  /** Since version 7 roots may be in groups; all others are in `default`. */
  readonly group: string;
}

/** Format of the nodes in a lockfile of each version. */
const specFormats = new Map([
  [3, 2],
  [4, 3],
  [5, 4],
  [6, 5],
  [7, 5],
]);

/**
 * @param subject names the file in messages
 * @throws Failure `spec.lockfile-invalid`, `spec.lockfile-unsupported`
 */
export function decodeLockfile(json: unknown, subject: string): Lockfile {
  const place: Place = { subject, code: "spec.lockfile-invalid", path: "" };
  const file = decodeObject(json, place);
  const version = integerAt(objectAt(file, "_meta", place), "lockfile-version", inside(place, "_meta"));
  const format = specFormats.get(version);
  if (format === undefined)
    throw refuse(
      { ...inside(place, "_meta.lockfile-version"), code: "spec.lockfile-unsupported" },
      `is ${version}, but only lockfiles of the versions 3 to 7 can be read`,
    );
  const rootsPlace = inside(place, "roots");
  const rootList = listAt(file, "roots", place);
  const roots = rootList.map((_, index) => {
    const root = objectAt(rootList, index, rootsPlace);
    return {
      hash: hashAt(root, "hash", rootsPlace),
      spec: stringAt(root, "spec", rootsPlace),
      group: typeof root["group"] === "string" ? root["group"] : "default",
    };
  });
  const specsPlace = inside(place, "concrete_specs");
  const specs = Object.entries(objectAt(file, "concrete_specs", place)).map(([hash, node]) => {
    const spec = decodeNode(node, inside(specsPlace, hash));
    if (spec.hash !== hash && version > 3)
      throw refuse(inside(specsPlace, hash), `holds a spec with another hash: ${spec.hash}`);
    return spec;
  });
  const graph = graphOf(specs, {
    roots: [...new Set(roots.map((root) => root.hash))],
    format,
    place: specsPlace,
  });
  return { version, roots, graph };
}
