import { createHash } from "node:crypto";
import { isObject, type JsonObject } from "../base/decode.js";
import { Failure } from "../base/failure.js";
import type { ConcreteSpec } from "./concrete-spec.js";
import { type DagHash, parseDagHash } from "./dag-hash.js";
import { annotatedCompiler } from "./node.js";
import { pythonJson } from "./python-json.js";

/** Length of the tail that a spliced spec's hash shares with the hash of the spec it was built as. */
const splicedTail = 7;

/**
 * The DAG hash of a node as its content gives it, whatever its `hash` says. A node of a format 5 file that an
 * older Spack concretized keeps the hash of its first format.
 * @param format `_meta.version` of the file that holds the node
 * @returns undefined where it does not (`isHashKnown`)
 */
export function dagHashOf(node: JsonObject, format: number): DagHash | undefined {
  if (!isHashKnown(node, format)) return undefined;
  const { annotations, build_spec: buildSpec } = node;
  const first = formatOf(node, format);
  const hashed = pythonJson(
    withoutHash(first < 5 && isObject(annotations) ? asFormat4(node, annotations) : node),
  );
  const hash = base32(createHash("sha1").update(hashed).digest());
  const built = isObject(buildSpec) ? buildSpec["hash"] : undefined;
  return parseDagHash(
    typeof built === "string" ? hash.slice(0, -splicedTail) + built.slice(-splicedTail) : hash,
  );
}

/** Whether a node's content gives its hash: in formats 2 and 3 it leaves out part of the node. */
export const isHashKnown = (node: JsonObject, format: number): boolean => formatOf(node, format) >= 4;

/** The format in which a node was concretized: a newer Spack that writes it again notes it. */
export function formatOf({ annotations }: JsonObject, format: number): number {
  const first = isObject(annotations) ? annotations["original_specfile_version"] : undefined;
  return typeof first === "number" ? first : format;
}

function withoutHash(node: JsonObject): JsonObject {
  const { hash: _, ...rest } = node;
  return rest;
}

/** The node as format 4 wrote it, before a newer Spack read it and wrote it as format 5. */
function asFormat4(node: JsonObject, annotations: JsonObject): JsonObject {
  const { annotations: _, ...rest } = node;
  const entries = Object.entries(rest).flatMap(([key, value]) => {
    if (key === "arch") return [[key, value] as const, ...legacyCompiler(annotations["compiler"])];
    if (key === "dependencies" && Array.isArray(value)) return [[key, value.map(withoutDirect)] as const];
    return [[key, value] as const];
  });
  return Object.fromEntries(entries);
}

function legacyCompiler(text: unknown): [string, JsonObject][] {
  const compiler = typeof text === "string" ? annotatedCompiler(text) : undefined;
  return compiler === undefined ? [] : [["compiler", { ...compiler }]];
}

function withoutDirect(edge: unknown): unknown {
  if (!isObject(edge) || !isObject(edge["parameters"])) return edge;
  const { direct: _, ...parameters } = edge["parameters"];
  return { ...edge, parameters };
}

/** RFC 4648 base32 in lower case; SHA-1's 160 bits need no padding. */
function base32(bytes: Uint8Array): string {
  const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(value >> bits) & 31];
    }
  }
  return text;
}

/** Whether a spec is what its hash says; `unknown` for formats 2 and 3. */
export function checkHash(spec: ConcreteSpec, format: number): "same" | "different" | "unknown" {
  const computed = dagHashOf(spec.node, format);
  return computed === undefined ? "unknown" : computed === spec.hash ? "same" : "different";
}

/** Nodes whose hash was found right, by hash: the packages of a stack tell of the same ones again and again. */
export type CheckedNodes = Map<DagHash, string>;

/**
 * Refuses a spec from outside whose content is not what its hash names.
 * @param checked what need not be computed again where it is the same to the letter
 * @throws Failure `spec.hash-mismatch`
 */
export function assertHash(
  spec: ConcreteSpec,
  { format, subject, checked }: { format: number; subject: string; checked?: CheckedNodes | undefined },
): void {
  const content = checked && `${format} ${JSON.stringify(spec.node)}`;
  if (content !== undefined && checked?.get(spec.hash) === content) return;
  if (checkHash(spec, format) !== "different") {
    if (content !== undefined) checked?.set(spec.hash, content);
    return;
  }
  throw new Failure(
    "corrupt",
    `${subject}: ${spec.name}@${spec.version} says that its hash is ${spec.hash}, but its content has the hash ${dagHashOf(spec.node, format)}`,
    { code: "spec.hash-mismatch", subject, hint: "It was changed after it was concretized: push it again." },
  );
}
