import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isObject } from "../base/decode.js";
import type { ConcreteSpec } from "./concrete-spec.js";
import { checkHash } from "./hash-check.js";
import { decodeLockfile } from "./lockfile.js";
import { decodeNode } from "./node.js";
import { pythonJson } from "./python-json.js";
import { decodeSpecFile, encodeSpecFile } from "./spec-file.js";

const fixtures = new URL("../../../shared/fixtures/", import.meta.url);
const withFixtures = test.skipIf(!existsSync(fixtures));

/** Every JSON document among the fixtures, clearsigned ones included. */
function* documents(): Generator<{ subject: string; text: string; json: unknown }> {
  for (const entry of readdirSync(fixtures, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || /\.(xz|spack|gz|md|hash)$/.test(entry.name)) continue;
    const subject = `${entry.parentPath}/${entry.name}`;
    const raw = readFileSync(subject, "utf8");
    const text = raw.startsWith("-----BEGIN PGP SIGNED")
      ? raw.slice(raw.indexOf("{"), raw.indexOf("-----BEGIN PGP SIGNATURE"))
      : raw;
    if (text.startsWith("{")) yield { subject, text, json: JSON.parse(text) };
  }
}

function nodesIn({
  json,
  subject,
}: {
  json: unknown;
  subject: string;
}): { spec: ConcreteSpec; format: number }[] {
  if (!isObject(json)) return [];
  const { database, concrete_specs: concreteSpecs, spec } = json;
  if (isObject(spec)) {
    const graph = decodeSpecFile(json, subject);
    return [...graph.nodes.values()].map((node) => ({ spec: node, format: graph.format }));
  }
  if (concreteSpecs !== undefined)
    return [...decodeLockfile(json, subject).graph.nodes.values()].map((node) => ({ spec: node, format: 5 }));
  if (!isObject(database) || !isObject(database["installs"])) return [];
  const format = Number(database["version"]) < 8 ? 4 : 5;
  return Object.values(database["installs"]).map((record) => ({
    spec: decodeNode(isObject(record) ? record["spec"] : record, { subject, code: "spec.invalid", path: "" }),
    format,
  }));
}

withFixtures("the hash of every spec that Spack wrote is the hash of its content", () => {
  let checked = 0;
  for (const document of documents()) {
    for (const { spec, format } of nodesIn(document)) {
      expect(checkHash(spec, format), `${document.subject}: ${spec.name}/${spec.hash}`).toBe("same");
      checked += 1;
      const changed = { ...spec, node: { ...spec.node, version: "0" } };
      expect(checkHash(changed, format)).toBe("different");
    }
  }
  expect(checked).toBeGreaterThan(600);
});

withFixtures("a spec is written byte for byte as it was read", () => {
  for (const { subject, text, json } of documents()) {
    if (!isObject(json) || !isObject(json["spec"])) continue;
    const written = encodeSpecFile(decodeSpecFile(json, subject));
    // Older mirrors hold one token a line (indent=0); no string holds a raw newline.
    expect(text.replaceAll("\n", "")).toContain(written.slice(1, -1));
  }
});

test("JSON is written as Python writes it", () => {
  const text = '{"b":1,"a":"\\u00e9\\ud83d\\ude00\\u007f\\n/","f":[1.5,1e-07,0.0001,-3,true,null],"e":{}}';
  expect(pythonJson(JSON.parse(text))).toBe(text);
});

test("keys that are numbers keep the place that sorting gives them", () => {
  const text = '{"+":1,"10":2,"10a":0,"2":3,"build_system":4,"cflags":[]}';
  expect(pythonJson(JSON.parse(text))).toBe(text);
});
