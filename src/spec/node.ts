import {
  decodeObject,
  inside,
  isObject,
  type JsonObject,
  listAt,
  objectAt,
  type Place,
  refuse,
  stringAt,
  stringsAt,
} from "../base/decode.js";
import { Failure } from "../base/failure.js";
import type { ConcreteSpec, Dependency } from "./concrete-spec.js";
import { concreteVersion } from "./concrete-version.js";
import { type DagHash, isDagHash } from "./dag-hash.js";
import { isDependencyType } from "./dependency-types.js";

/** Names become file names and tags, so what is not a package name never gets past here. */
const packageName = /^[a-zA-Z0-9_][a-zA-Z0-9_-]*$/;

/** Names of machines and compilers become parts of paths as well: no slash, nothing that a terminal obeys. */
const plainName = /^(?!\.\.?$)[^/\p{Cc}]+$/u;

function nameAt(parent: JsonObject, step: string, place: Place): string {
  const text = stringAt(parent, step, place);
  if (plainName.test(text)) return text;
  throw refuse(inside(place, step), `is no name: ${JSON.stringify(text)}`);
}

/**
 * One node of a spec file, database or lockfile, in any of the formats 2-5.
 * @throws Failure with the place's code: `spec.invalid`
 */
export function decodeNode(json: unknown, place: Place): ConcreteSpec {
  const node = decodeObject(json, place);
  const name = stringAt(node, "name", place);
  if (!packageName.test(name)) throw refuse(place, `has a name that no package can have: "${name}"`);
  if (node["concrete"] === false || node["versions"] !== undefined)
    throw refuse(place, `(${name}) is not concrete: it leaves open what was built`);
  const arch = objectAt(node, "arch", place);
  const { target } = arch;
  return {
    name,
    version: versionAt(node, place),
    hash: hashAt(node, "hash", place),
    namespace: node["namespace"] == null ? undefined : nameAt(node, "namespace", place),
    platform: nameAt(arch, "platform", place),
    os: nameAt(arch, "platform_os", place),
    target: isObject(target) ? nameAt(target, "name", place) : nameAt(arch, "target", place),
    compiler: decodeCompiler(node, place),
    parameters: node["parameters"] === undefined ? {} : objectAt(node, "parameters", place),
    external: decodeExternal(node, place),
    dependencies: decodeDependencies(node, place),
    buildHash: node["build_spec"] == null ? undefined : edgeHash(objectAt(node, "build_spec", place), place),
    node,
  };
}

function versionAt(node: JsonObject, place: Place): string {
  const text = stringAt(node, "version", place);
  try {
    concreteVersion(text);
    return text;
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    throw refuse(inside(place, "version"), `is no version: ${cause.message}`, cause);
  }
}

export function hashAt(parent: JsonObject, step: string, place: Place): DagHash {
  const text = stringAt(parent, step, place);
  if (isDagHash(text)) return text;
  throw refuse(inside(place, step), `should be a DAG hash (32 of a-z and 2-7), but is "${text}"`);
}

/** Spack 0.17 could name a node by a finer hash than its DAG hash. */
function edgeHash(edge: JsonObject, place: Place): DagHash {
  const key = ["hash", "full_hash", "build_hash"].find((name) => edge[name] !== undefined);
  return hashAt(edge, key ?? "hash", place);
}

function decodeCompiler(node: JsonObject, place: Place): ConcreteSpec["compiler"] {
  const { compiler, annotations } = node;
  if (isObject(compiler))
    return { name: nameAt(compiler, "name", place), version: versionAt(compiler, place) };
  const text = isObject(annotations) ? annotations["compiler"] : undefined;
  return typeof text === "string" ? annotatedCompiler(text) : undefined;
}

/** The compiler of a node from before format 5, as later Spacks keep it: `gcc@=12.2.0`, or `None`. */
export function annotatedCompiler(text: string): ConcreteSpec["compiler"] {
  const [name, version] = text.split(/@=?/);
  return name === undefined || version === undefined ? undefined : { name, version };
}

function decodeExternal({ external }: JsonObject, place: Place): ConcreteSpec["external"] {
  if (!external) return undefined;
  const { path } = decodeObject(external, inside(place, "external"));
  if (path == null || typeof path === "string") return { path: path ?? undefined };
  throw refuse(inside(place, "external"), "has a path that is not a string");
}

function decodeDependencies(node: JsonObject, place: Place): readonly Dependency[] {
  if (node["dependencies"] === undefined) return [];
  const edges = listAt(node, "dependencies", place);
  return edges.map((_, index) => decodeDependency(objectAt(edges, index, place), place));
}

function decodeDependency(edge: JsonObject, place: Place): Dependency {
  const { type } = edge;
  // Formats 4 and 5 hold what the edge is in `parameters`; 2 and 3 have `type` only.
  const about = type === undefined ? objectAt(edge, "parameters", place) : { deptypes: type };
  const types = stringsAt(about, "deptypes", place);
  const wrong = types.find((text) => !isDependencyType(text));
  if (wrong !== undefined) throw refuse(place, `has a dependency of an unknown type: "${wrong}"`);
  return {
    name: stringAt(edge, "name", place),
    hash: edgeHash(edge, place),
    types: types.filter(isDependencyType),
    virtuals: about["virtuals"] === undefined ? [] : stringsAt(about, "virtuals", place),
    direct: about["direct"] === true,
  };
}
