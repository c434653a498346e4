import { concat, textOf, utf8 } from "../base/bytes.js";
import { refuse } from "../base/decode.js";
import { createDigester, type Digest, digestOf } from "../oci/digest.js";
import type { ConcreteSpec, Dependency, DependencyType, SpecGraph } from "../spec/concrete-spec.js";
import { type DagHash, isDagHash } from "../spec/dag-hash.js";
import { dependencyTypes } from "../spec/dependency-types.js";
import { formatCompilers } from "../spec/format-concrete.js";
import { decodeNode } from "../spec/node.js";
import { sortSpecs } from "../spec/sort.js";
import type { BuildcacheIndex } from "./index-document.js";

// An index as it is kept on this machine. The document of a large cache is tens of megabytes, most of them variants
// and hashes that a search never looks at; so each node is a row of what is looked at, and its JSON, which is parsed
// only where it is asked for. Rows are in the order of lists.

/** An index to search in: the specs of its graph, in the order of lists, are decoded as far as they are looked at. */
export interface SearchableIndex {
  readonly graph: SpecGraph;
  /** The packages that the build cache has. */
  readonly present: ReadonlySet<DagHash>;
}

export interface IndexCopyOptions {
  /** Of the index that it is a copy of. */
  readonly state: Digest;
  /** The build cache, for messages. */
  readonly subject: string;
}

/** To be raised when rows get another meaning, or another order. */
const magic = "stowage-index-2";

const code = "buildcache.index-broken";

/**
 * A row is the hash, `1` or `0` for present or not, and columns that each begin with a tab: name, version, make, where
 * the JSON is, edges. What many packages have in common is one column, its parts divided by what no name can have.
 */
const partMark = "\x1f";

/** @throws Failure `buildcache.index-broken` where a node is no spec */
export function encodeIndexCopy(index: BuildcacheIndex, { state, subject }: IndexCopyOptions): Uint8Array {
  const placeOf = (path: string) => ({ subject, code, path });
  const nodes = new Map([...index.nodes].map(([hash, node]) => [hash, decodeNode(node, placeOf(hash))]));
  const specs = sortSpecs([...nodes.values()], (spec) => spec);
  const rowOf = new Map(specs.map(({ hash }, row) => [hash, row]));
  const graph: SpecGraph = { roots: [], nodes, format: 5 };
  const rows: string[] = [];
  const bodies: Uint8Array[] = [];
  let offset = 0;
  for (const spec of specs) {
    const body = utf8(JSON.stringify(spec.node));
    const make = [
      spec.platform,
      spec.os,
      spec.target,
      spec.namespace ?? "",
      spec.compiler?.name ?? "",
      spec.compiler?.version ?? "",
      formatCompilers(spec, graph),
    ];
    const columns = [
      spec.hash + (index.present.has(spec.hash) ? "1" : "0"),
      spec.name,
      spec.version,
      make.join(partMark),
      `${offset}+${body.byteLength}`,
      spec.dependencies.map((edge) => formatEdge(edge, rowOf)).join(" "),
    ];
    if (make.join("").includes(partMark) || columns.some((column) => /[\t\n]/.test(column)))
      throw refuse(placeOf(spec.hash), "has a control character in it");
    rows.push(`${columns.join("\t")}\n`);
    bodies.push(body);
    offset += body.byteLength;
  }
  const table = utf8(rows.join(""));
  const digester = createDigester();
  for (const part of [table, ...bodies]) digester.update(part);
  const head = utf8(`${magic} ${state} ${digester.digest()} ${table.byteLength}\n`);
  return concat([head, table, ...bodies]);
}

/** The copy of the index in this state; undefined where the bytes are something else, or not whole. */
export function openIndexCopy(
  bytes: Uint8Array,
  { state, subject }: IndexCopyOptions,
): SearchableIndex | undefined {
  const end = bytes.indexOf(0x0a);
  const [name, of, digest, length] = (textOf(bytes.subarray(0, Math.max(0, end))) ?? "").split(" ");
  if (name !== magic || of !== state) return undefined;
  const content = bytes.subarray(end + 1);
  if (digestOf(content) !== digest) return undefined;
  const table = textOf(content.subarray(0, Number(length))) ?? "";
  const copy: Copy = {
    table,
    bodies: content.subarray(Number(length)),
    subject,
    specs: [],
    edges: new Map(),
  };
  const makes = new Map<string, Make>();
  const nodes = new Map<DagHash, ConcreteSpec>();
  const present = new Set<DagHash>();
  // Only what every search and list looks at is cut out of a row here.
  for (let at = 0; at < table.length; ) {
    const hash = table.slice(at, at + hashLength);
    if (!isDagHash(hash)) throw new Error(`a copy of the index of ${subject} has a row for "${hash}"`);
    const nameAt = at + hashLength + "1\t".length;
    const versionAt = table.indexOf("\t", nameAt) + 1;
    const makeAt = table.indexOf("\t", versionAt) + 1;
    const restAt = table.indexOf("\t", makeAt) + 1;
    const text = table.slice(makeAt, restAt - 1);
    const make = makes.get(text) ?? parseMake(text);
    makes.set(text, make);
    const spec = new CopiedSpec(copy, {
      hash,
      name: table.slice(nameAt, versionAt - 1),
      version: table.slice(versionAt, makeAt - 1),
      make,
      restAt,
    });
    copy.specs.push(spec);
    nodes.set(hash, spec);
    if (table.startsWith("1", at + hashLength)) present.add(hash);
    at = table.indexOf("\n", restAt) + 1;
  }
  return { graph: { roots: [...present], nodes, format: 5 }, present };
}

const hashLength = 32;

interface Copy {
  readonly table: string;
  readonly bodies: Uint8Array;
  readonly subject: string;
  /** By their row. */
  readonly specs: CopiedSpec[];
  /** By their text: many packages need the same one in the same way. */
  readonly edges: Map<string, Dependency>;
}

/** What packages have in common that were made in the same way. */
type Make = Pick<ConcreteSpec, "platform" | "os" | "target" | "namespace" | "compiler" | "compilers">;

function parseMake(text: string): Make {
  const [platform = "", os = "", target = "", namespace, name, version = "", compilers] =
    text.split(partMark);
  return {
    platform,
    os,
    target,
    namespace: namespace || undefined,
    compiler: name ? { name, version } : undefined,
    compilers,
  };
}

/** A spec that reads itself when it is looked at: a class, as 10,000s of objects with functions of their own cost. */
class CopiedSpec implements ConcreteSpec {
  readonly hash: DagHash;
  readonly name: string;
  readonly version: string;
  readonly #copy: Copy;
  readonly #make: Make;
  readonly #restAt: number;
  #dependencies: readonly Dependency[] | undefined;
  #decoded: ConcreteSpec | undefined;

  constructor(
    copy: Copy,
    row: {
      readonly hash: DagHash;
      readonly name: string;
      readonly version: string;
      readonly make: Make;
      readonly restAt: number;
    },
  ) {
    this.hash = row.hash;
    this.name = row.name;
    this.version = row.version;
    this.#copy = copy;
    this.#make = row.make;
    this.#restAt = row.restAt;
  }

  get #rest(): readonly string[] {
    const { table } = this.#copy;
    return table.slice(this.#restAt, table.indexOf("\n", this.#restAt)).split("\t");
  }

  get #node(): ConcreteSpec {
    if (this.#decoded !== undefined) return this.#decoded;
    const { bodies, subject } = this.#copy;
    const [offset = 0, length = 0] = (this.#rest[0] ?? "").split("+").map(Number);
    this.#decoded = decodeNode(JSON.parse(textOf(bodies.subarray(offset, offset + length)) ?? ""), {
      subject,
      code,
      path: this.hash,
    });
    return this.#decoded;
  }

  get platform() {
    return this.#make.platform;
  }
  get os() {
    return this.#make.os;
  }
  get target() {
    return this.#make.target;
  }
  get namespace() {
    return this.#make.namespace;
  }
  get compiler() {
    return this.#make.compiler;
  }
  get compilers() {
    return this.#make.compilers;
  }
  get dependencies() {
    if (this.#dependencies !== undefined) return this.#dependencies;
    const edges = this.#rest[1] ?? "";
    this.#dependencies = edges === "" ? none : edges.split(" ").map((edge) => edgeOf(edge, this.#copy));
    return this.#dependencies;
  }
  get parameters() {
    return this.#node.parameters;
  }
  get external() {
    return this.#node.external;
  }
  get buildHash() {
    return this.#node.buildHash;
  }
  get node() {
    return this.#node.node;
  }
}

const none: readonly never[] = [];

/** `12:bl:c,cxx:d`: the row of the package (or `NAME/HASH` where it has none), types, virtuals, whether direct. */
function formatEdge(
  { name, hash, types, virtuals, direct }: Dependency,
  rowOf: ReadonlyMap<DagHash, number>,
): string {
  const letters = types.map((type) => type[0]).join("");
  return `${rowOf.get(hash) ?? `${name}/${hash}`}:${letters}:${virtuals.join(",")}:${direct ? "d" : ""}`;
}

function edgeOf(text: string, { specs, edges }: Copy): Dependency {
  const known = edges.get(text);
  if (known !== undefined) return known;
  const edge = parseEdge(text, specs);
  edges.set(text, edge);
  return edge;
}

function parseEdge(text: string, specs: readonly CopiedSpec[]): Dependency {
  const [to = "", letters = "", virtuals = "", direct] = text.split(":");
  const spec = specs[Number(to)];
  const [name = "", hash = ""] = spec === undefined ? to.split("/") : [spec.name, spec.hash];
  if (!isDagHash(hash)) throw new Error(`an edge of a copied index leads to "${to}"`);
  return {
    name,
    hash,
    types: typesOf(letters),
    virtuals: virtuals === "" ? none : virtuals.split(","),
    direct: direct === "d",
  };
}

/** Every edge has one of a few sets of types. */
const knownTypes = new Map<string, readonly DependencyType[]>();

function typesOf(letters: string): readonly DependencyType[] {
  const known = knownTypes.get(letters) ?? dependencyTypes.filter((type) => letters.includes(type.charAt(0)));
  knownTypes.set(letters, known);
  return known;
}
