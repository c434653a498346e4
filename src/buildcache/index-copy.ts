import { concat, textOf, utf8 } from "../base/bytes.js";
import { refuse } from "../base/decode.js";
import { type Digest, digestOf } from "../oci/digest.js";
import type { ConcreteSpec, Dependency, DependencyType, SpecGraph } from "../spec/concrete-spec.js";
import { type DagHash, isDagHash } from "../spec/dag-hash.js";
import { dependencyTypes } from "../spec/dependency-types.js";
import { decodeNode } from "../spec/node.js";
import type { BuildcacheIndex } from "./index-document.js";

// An index as it is kept on this machine. The document of a large cache is tens of megabytes, most of them variants
// and hashes that a search never looks at; so each node is a row of what is looked at, and its JSON, which is parsed
// only where it is asked for.

/** An index to search in: the specs of its graph are decoded as far as they are looked at. */
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

/** To be raised when rows get another meaning. */
const magic = "stowage-index-1";

const code = "buildcache.index-broken";

/** @throws Failure `buildcache.index-broken` where a node is no spec */
export function encodeIndexCopy(index: BuildcacheIndex, { state, subject }: IndexCopyOptions): Uint8Array {
  const rowOf = new Map([...index.nodes.keys()].map((hash, row) => [hash, row]));
  const rows: string[] = [];
  const bodies: Uint8Array[] = [];
  for (const [hash, node] of index.nodes) {
    const place = { subject, code, path: hash };
    const spec = decodeNode(node, place);
    const body = utf8(JSON.stringify(node));
    const fields = [
      hash,
      index.present.has(hash) ? "1" : "0",
      spec.name,
      spec.version,
      spec.platform,
      spec.os,
      spec.target,
      spec.compiler?.name ?? "",
      spec.compiler?.version ?? "",
      spec.namespace ?? "",
      spec.dependencies.map((edge) => formatEdge(edge, rowOf)).join(" "),
      String(body.byteLength),
    ];
    if (fields.some((field) => /[\t\n]/.test(field))) throw refuse(place, "has a tab or a line break in it");
    rows.push(fields.join("\t"));
    bodies.push(body);
  }
  const table = utf8(rows.join("\n"));
  const content = concat([table, ...bodies]);
  return concat([utf8(`${magic} ${state} ${digestOf(content)} ${table.byteLength}\n`), content]);
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
  const tableLength = Number(length);
  const table = textOf(content.subarray(0, tableLength)) ?? "";
  const copy: Copy = { lines: table === "" ? [] : table.split("\n"), content, subject, edges: new Map() };

  const nodes = new Map<DagHash, ConcreteSpec>();
  const present = new Set<DagHash>();
  let offset = tableLength;
  for (const line of copy.lines) {
    const hash = line.slice(0, hashLength);
    if (!isDagHash(hash)) throw new Error(`a copy of the index of ${subject} has a row for "${hash}"`);
    const end = offset + Number(line.slice(line.lastIndexOf("\t") + 1));
    nodes.set(hash, new CopiedSpec(copy, { hash, line, offset, end }));
    if (line.startsWith("1", hashLength + 1)) present.add(hash);
    offset = end;
  }
  return { graph: { roots: [...present], nodes, format: 5 }, present };
}

const hashLength = 32;

interface Copy {
  readonly lines: readonly string[];
  readonly content: Uint8Array;
  readonly subject: string;
  /** By their text: many packages need the same one in the same way. */
  readonly edges: Map<string, Dependency>;
}

/** A spec that reads itself when it is looked at: a class, as 10,000s of objects with functions of their own cost. */
class CopiedSpec implements ConcreteSpec {
  readonly hash: DagHash;
  readonly #copy: Copy;
  readonly #line: string;
  readonly #offset: number;
  readonly #end: number;
  #row: readonly string[] | undefined;
  #dependencies: readonly Dependency[] | undefined;
  #decoded: ConcreteSpec | undefined;

  constructor(
    copy: Copy,
    at: { readonly hash: DagHash; readonly line: string; readonly offset: number; readonly end: number },
  ) {
    this.hash = at.hash;
    this.#copy = copy;
    this.#line = at.line;
    this.#offset = at.offset;
    this.#end = at.end;
  }

  #field(column: number): string {
    this.#row ??= this.#line.split("\t");
    return this.#row[column] ?? "";
  }

  get #node(): ConcreteSpec {
    const { content, subject } = this.#copy;
    this.#decoded ??= decodeNode(JSON.parse(textOf(content.subarray(this.#offset, this.#end)) ?? ""), {
      subject,
      code,
      path: this.hash,
    });
    return this.#decoded;
  }

  get name() {
    return nameIn(this.#line);
  }
  get version() {
    return this.#field(3);
  }
  get platform() {
    return this.#field(4);
  }
  get os() {
    return this.#field(5);
  }
  get target() {
    return this.#field(6);
  }
  get compiler() {
    const name = this.#field(7);
    return name === "" ? undefined : { name, version: this.#field(8) };
  }
  get namespace() {
    return this.#field(9) || undefined;
  }
  get dependencies() {
    const edges = this.#field(10);
    this.#dependencies ??= edges === "" ? none : edges.split(" ").map((edge) => edgeOf(edge, this.#copy));
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

const nameAt = hashLength + "\t1\t".length;

/** The third column: `present` takes one character, `1` or `0`. */
const nameIn = (line: string): string => line.slice(nameAt, line.indexOf("\t", nameAt));

/** `12:bl:c,cxx:d`: the row of the package (or `NAME/HASH` where it has none), types, virtuals, whether direct. */
function formatEdge(
  { name, hash, types, virtuals, direct }: Dependency,
  rowOf: ReadonlyMap<DagHash, number>,
): string {
  const letters = types.map((type) => type[0]).join("");
  return `${rowOf.get(hash) ?? `${name}/${hash}`}:${letters}:${virtuals.join(",")}:${direct ? "d" : ""}`;
}

function edgeOf(text: string, { lines, edges }: Copy): Dependency {
  const known = edges.get(text);
  if (known !== undefined) return known;
  const edge = parseEdge(text, lines);
  edges.set(text, edge);
  return edge;
}

function parseEdge(text: string, lines: readonly string[]): Dependency {
  const [to = "", letters = "", virtuals = "", direct] = text.split(":");
  const line = lines[Number(to)] ?? "";
  const [name = "", hash = ""] = to.includes("/") ? to.split("/") : [nameIn(line), line.slice(0, hashLength)];
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
