import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { diff, tree, why } from "../../src/app/graph-queries.js";
import { differencesBetween } from "../../src/spec/difference.js";
import { hasShared, scratchDirectory, shared, spackRoot, unpackStore } from "../support/fixtures.js";
import { graphOf, makePackage } from "../support/packages.js";

const scratch = scratchDirectory();
beforeAll(() => unpackStore(scratch.path));
afterAll(() => scratch[Symbol.dispose]());
const plain = { home: scratch.path, cwd: scratch.path, env: {} };
const store = { ...plain, store: join(scratch.path, spackRoot) };
const mirror = { ...plain, mirror: `oci-layout:${join(shared, "oci/cache")}` };

test("a tree shows each package where it is nearest to the root, and whether it is there", async () => {
  const nodes = await tree("greet", { ...store, types: ["link", "run"] });
  expect(nodes[0]).toMatchObject({ depth: 0, types: [], state: "present" });
  const shown = nodes.map(({ spec, depth, state }) => `${depth} ${spec.name} ${state}`);
  expect(shown).toContain("1 libgreet present");
  expect(shown).toContain("1 bzip2 present");
  expect(shown.some((line) => line.endsWith("glibc external"))).toBe(true);
  expect(new Set(nodes.map(({ spec }) => spec.hash)).size).toBe(nodes.length);
  const whole = await tree("greet", store);
  expect(whole.length).toBeGreaterThan(nodes.length);
});

test("why names what a package is needed by, by the shortest way from what was asked for", async () => {
  const { reasons } = await why("zlib", store);
  expect(reasons).toHaveLength(1);
  expect(reasons[0]?.ways.map((way) => way.map(({ name }) => name))).toContainEqual([
    "greet",
    "libgreet",
    "zlib",
  ]);
  expect((await why("greet", store)).reasons).toMatchObject([{ asked: true, ways: [] }]);
});

test("why says of what is not there what comes nearest, and what differs", async () => {
  const { reasons, nearest } = await why("zlib@1.2.13~pic", store);
  expect(reasons).toEqual([]);
  expect(nearest).toMatchObject([
    { spec: { name: "zlib" }, differences: [{ about: "variant", wanted: "~pic", found: "+pic" }] },
  ]);
  expect((await why("libgret", store)).similarNames).toEqual(["libgreet"]);
});

describe.skipIf(!hasShared)("a mirror", () => {
  test("answers the same questions from its index", async () => {
    expect((await tree("greet", mirror)).filter(({ state }) => state === "present")).toHaveLength(6);
    expect((await why("zlib", mirror)).reasons[0]?.ways.map(([root]) => root?.name)).toEqual(["greet"]);
    expect((await why("zlib@9", mirror)).nearest[0]?.differences).toMatchObject([{ about: "version" }]);
    expect((await diff(["greet", "greet"], mirror)).differences).toEqual([]);
  });
});

test("a difference tells versions, variants and edges of all that two specs depend on", () => {
  const [old, now] = [makePackage("zlib", "1.2"), makePackage("zlib", "1.3")];
  const [a, b] = [makePackage("app", "1.0", [old]), makePackage("app", "1.0", [now, makePackage("extra")])];
  const [before, after] = [graphOf(a, [old]), graphOf(b, [now, makePackage("extra")])];
  const found = differencesBetween({ graph: before, root: a.hash }, { graph: after, root: b.hash });
  expect(found.find(({ attribute }) => attribute === "version")).toEqual({
    attribute: "version",
    removed: ["zlib 1.2"],
    added: ["extra 1.0", "zlib 1.3"],
  });
  expect(found.find(({ attribute }) => attribute === "depends_on")).toMatchObject({
    removed: [],
    added: ["app extra build", "app extra link"],
  });
  expect(differencesBetween({ graph: before, root: a.hash }, { graph: before, root: a.hash })).toEqual([]);
});
