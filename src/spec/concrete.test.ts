import { existsSync, readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isObject } from "../base/decode.js";
import type { ConcreteSpec } from "./concrete-spec.js";
import { checkHash, dagHashOf } from "./hash-check.js";
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
    }
  }
  expect(checked).toBeGreaterThan(600);
});

withFixtures("a spec that was changed has another hash", () => {
  const [{ spec, format } = { spec: undefined, format: 0 }] = [...documents()].flatMap((document) =>
    nodesIn(document),
  );
  if (spec === undefined) throw new Error("no fixture holds a spec");
  expect(checkHash({ ...spec, node: { ...spec.node, version: "0" } }, format)).toBe("different");
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

/** A node with a hash that is right, in any format that has one. */
const node = fc
  .record({
    format: fc.constantFrom(4, 5),
    name: fc.constantFrom("zlib", "py-x", "7zip"),
    version: fc.constantFrom("1.2", "git.main=1.3", "develop"),
    parameters: fc.dictionary(
      fc.string({ unit: "grapheme", minLength: 1 }).filter((key) => key !== "__proto__"),
      fc.oneof(fc.string({ unit: "binary" }), fc.boolean(), fc.array(fc.string({ unit: "grapheme" }))),
    ),
    unknown: fc.jsonValue(),
  })
  .map(({ format, name, version, parameters, unknown }) => {
    // The order in which Spack writes variants.
    const sorted = Object.fromEntries(Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1)));
    const arch = { platform: "linux", platform_os: "debian12", target: "zen2" };
    const annotations = format === 5 ? { annotations: { original_specfile_version: 5 } } : {};
    const content = { name, version, arch, parameters: sorted, unknown, ...annotations };
    return { format, node: { ...content, hash: dagHashOf(content, format) } };
  });

test("a hash is stable under read and write", () => {
  fc.assert(
    fc.property(node, ({ format, node: written }) => {
      const text = pythonJson({ spec: { _meta: { version: format }, nodes: [written] } });
      const graph = decodeSpecFile(JSON.parse(text), "test");
      expect(encodeSpecFile(graph)).toBe(text);
      for (const spec of graph.nodes.values()) expect(checkHash(spec, format)).toBe("same");
    }),
    { numRuns: process.env["STOWAGE_SOAK"] ? 20_000 : 300 },
  );
});

test("a spliced spec keeps the end of the hash that it was built with", () => {
  const built = "kqqqo2dqlsiogtlsos2holxpx2fsom4y";
  const content = {
    name: "a",
    build_spec: { name: "a", hash: built },
    annotations: { original_specfile_version: 5 },
  };
  const { build_spec: _, ...plain } = content;
  expect(dagHashOf(content, 5)?.slice(-7)).toBe(built.slice(-7));
  expect(dagHashOf(plain, 5)?.slice(-7)).not.toBe(built.slice(-7));
});

test("a spec that is not what it says is refused by name", () => {
  const good = {
    name: "zlib",
    version: "1.2",
    arch: { platform: "linux", platform_os: "x", target: "zen" },
    hash: "a".repeat(32),
  };
  const read = (change: object) => () =>
    decodeSpecFile({ spec: { _meta: { version: 5 }, nodes: [{ ...good, ...change }] } }, "spec.json");
  expect(read({})).not.toThrow();
  expect(read({ name: "../../etc" })).toThrow(
    'spec.json: spec.nodes[0] has a name that no package can have: "../../etc"',
  );
  expect(read({ hash: "short" })).toThrow("spec.json: spec.nodes[0].hash should be a DAG hash");
  expect(read({ version: "1/2" })).toThrow("spec.json: spec.nodes[0].version is no version");
  expect(read({ arch: undefined })).toThrow("spec.json: spec.nodes[0].arch is missing");
  expect(read({ concrete: false })).toThrow("is not concrete");
  expect(
    read({ dependencies: [{ name: "b", hash: "b".repeat(32), parameters: { deptypes: ["eat"] } }] }),
  ).toThrow('unknown type: "eat"');
  expect(() => decodeSpecFile({ spec: { _meta: { version: 6 }, nodes: [] } }, "x")).toThrow(
    "only the spec formats 2 to 5",
  );
});

test("a spec of Spack 0.17 names its dependencies by a finer hash", () => {
  const arch = { platform: "linux", platform_os: "x", target: { name: "zen", vendor: "AuthenticAMD" } };
  const [a, b, full] = ["a", "b", "c"].map((letter) => letter.repeat(32));
  const nodes = [
    {
      name: "a",
      version: "1",
      arch,
      hash: a,
      full_hash: "d".repeat(32),
      dependencies: [{ name: "b", full_hash: full, type: ["link"] }],
    },
    { name: "b", version: "1", arch, hash: b, full_hash: full },
  ];
  const graph = decodeSpecFile({ spec: { _meta: { version: 2 }, nodes } }, "spec.json");
  const [root] = graph.nodes.values();
  expect(root?.target).toBe("zen");
  expect(root?.dependencies).toEqual([{ name: "b", hash: b, types: ["link"], virtuals: [], direct: false }]);
});
