import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseDagHash } from "./dag-hash.js";
import { closure, subgraph, topologicalOrder } from "./graph.js";
import { decodeLockfile } from "./lockfile.js";
import { decodeSpecFile } from "./spec-file.js";

const hashOf = (name: string) => parseDagHash(name.padEnd(32, "a"));

/** `graph({ a: ["b", "c"], b: ["c"], c: [] })`: the first is the root. */
function graph(edges: Record<string, string[]>) {
  const nodes = Object.entries(edges).map(([name, dependencies]) => ({
    name,
    version: "1",
    arch: { platform: "linux", platform_os: "debian12", target: "x86_64" },
    hash: hashOf(name),
    dependencies: dependencies.map((dependency) => ({
      name: dependency,
      hash: hashOf(dependency),
      parameters: { deptypes: dependency === "tool" ? ["build"] : ["link", "run"], virtuals: [] },
    })),
  }));
  return decodeSpecFile({ spec: { _meta: { version: 5 }, nodes } }, "test");
}

const names = (specs: Iterable<{ name: string }>) => [...specs].map((spec) => spec.name).join(" ");

test("topological order counts edges in and takes from a queue", () => {
  const diamond = graph({ root: ["c", "b", "tool"], b: ["d"], c: ["b"], d: [], tool: ["d"] });
  expect(names(topologicalOrder(diamond, { types: ["link", "run"] }))).toBe("root c b d");
  expect(names(topologicalOrder(diamond))).toBe("root c tool b d");
  expect(names(topologicalOrder(diamond, { roots: [hashOf("b"), hashOf("root")], types: ["link"] }))).toBe(
    "root c b d",
  );
});

test("a closure follows edges of the given types, by name", () => {
  const specs = graph({ root: ["z", "tool", "a"], z: ["a"], a: ["q"], q: [], tool: [] });
  expect(names(closure(specs, { types: ["run"] }))).toBe("root a z q");
  expect(names(closure(specs))).toBe("root a tool z q");
  expect(names(subgraph(specs, hashOf("z")).nodes.values())).toBe("z a q");
});

test("a cycle is refused, not followed for ever", () => {
  const knot = graph({ root: ["b"], b: ["c"], c: ["b"] });
  expect(names(closure(knot))).toBe("root b c");
  expect(() => topologicalOrder(knot)).toThrow(/depends on itself/);
});

test("a missing dependency is refused by name", () => {
  expect(() => graph({ root: ["lost"] })).toThrow(/lost\/losta+, which is missing/);
});

const lock = new URL("../../../shared/fixtures/environment.spack.lock", import.meta.url);
test.skipIf(!existsSync(lock))("a lockfile's roots reach all its specs", () => {
  const { roots, graph: all } = decodeLockfile(JSON.parse(readFileSync(lock, "utf8")), "spack.lock");
  expect(roots[0]?.spec).toBe("hdf5@1.14+mpi ^openmpi");
  expect(closure(all)).toHaveLength(all.nodes.size);
  expect(topologicalOrder(all)).toHaveLength(all.nodes.size);
});
