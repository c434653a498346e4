import { readFileSync } from "node:fs";
import { isObject } from "../../src/base/decode.js";
import { Failure } from "../../src/base/failure.js";
import { formatSpec } from "../../src/spec/abstract-spec.js";
import type { ConcreteSpec, SpecGraph } from "../../src/spec/concrete-spec.js";
import { parseDagHash } from "../../src/spec/dag-hash.js";
import { formatFull, formatShort, formatTree } from "../../src/spec/format-concrete.js";
import { decodeLockfile } from "../../src/spec/lockfile.js";
import { createMatcher } from "../../src/spec/matches.js";
import { decodeNode } from "../../src/spec/node.js";
import { parseSpec, parseSpecs } from "../../src/spec/parse-spec.js";
import { intersects, satisfies } from "../../src/spec/satisfies.js";
import { graphOf } from "../../src/spec/spec-file.js";
import { type Answer, type Line, textField, type VectorKind } from "./kind.js";

/** Lines of specs.jsonl; `--specs` names the lockfiles and databases that hold the concrete specs. */
export const specs: VectorKind = {
  name: "specs",
  questions: ["s", "a", "b", "hash", "q"],
  accepts: ({ op, ...line }) =>
    (op === "parse" && "s" in line) || op === "abstract" || op === "concrete" || op === "format",
  open: ({ specs: files }) => {
    const worlds = files
      .map((file) => readGraph(file))
      .map((graph) => ({ graph, matches: createMatcher(graph) }));
    return (line) => {
      if (line["op"] === "parse") return parsed(line);
      if (line["op"] === "abstract") return related(textField(line, "a"), textField(line, "b"));
      const hash = parseDagHash(textField(line, "hash"));
      for (const { graph, matches } of worlds) {
        const spec = graph.nodes.get(hash);
        if (spec === undefined) continue;
        return line["op"] === "format"
          ? formats(spec, graph)
          : { r: matches(spec, parseSpec(textField(line, "q"))) };
      }
      throw new Error(`no --specs file holds ${hash}`);
    };
  },
};

function parsed({ s, err }: Line): Answer {
  try {
    const found = parseSpecs(String(s));
    return { n: found.length, str: found.map(formatSpec) };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    // Which of its exceptions Spack refuses a text with is no promise of ours; that it is refused is.
    return { err: refusals[error.code]?.includes(String(err)) ? err : error.code };
  }
}

/** The exceptions of Spack that one of our failures stands for. */
const refusals: Readonly<Record<string, readonly string[]>> = {
  "spec.syntax": ["SpecTokenizationError", "SpecParsingError", "ValueError"],
  "version.invalid": ["ValueError"],
  "version.empty-range": ["EmptyRangeError"],
};

function related(a: string, b: string): Answer {
  const [left, right] = [parseSpec(a), parseSpec(b)];
  return { satisfies: satisfies(left, right), intersects: intersects(left, right) };
}

const formats = (spec: ConcreteSpec, graph: SpecGraph): Answer => ({
  str: formatShort(spec, 32),
  short: formatShort(spec),
  full: formatFull(spec),
  long_spec: formatTree(graph, spec.hash),
});

/** The concrete specs of a lockfile, or of a store's database. */
export function readGraph(file: string): SpecGraph {
  const json: unknown = JSON.parse(readFileSync(file, "utf8"));
  if (!isObject(json) || !isObject(json["database"])) return decodeLockfile(json, file).graph;
  const place = { subject: file, code: "spec.invalid", path: "database.installs" };
  const records = Object.values(Object(json["database"]["installs"]));
  const nodes = records.map((record) => decodeNode(isObject(record) ? record["spec"] : record, place));
  return graphOf(nodes, { roots: [], format: 5, place });
}
