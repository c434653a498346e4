import { expect, test } from "vitest";
import { best, candidates, compareRecency } from "./choose.js";
import { parseDagHash } from "./dag-hash.js";
import { explain } from "./explain.js";
import type { Host } from "./host.js";
import { parseSpec } from "./parse-spec.js";
import { decodeSpecFile } from "./spec-file.js";

const host: Host = { platform: "linux", os: "debian12", target: "zen3", glibc: "2.36" };

interface Wanted {
  readonly id: string;
  readonly name?: string;
  readonly version?: string;
  readonly target?: string;
  readonly os?: string;
  readonly platform?: string;
  readonly parameters?: Record<string, unknown>;
  readonly on?: Record<string, readonly string[]>;
}

const hashOf = (id: string) => parseDagHash(id.padEnd(32, "a"));

/** A cache of packages; `on` names what each depends on, and which virtuals that is for it. */
function cache(...specs: readonly Wanted[]) {
  const nodes = specs.map(({ id, on = {}, ...spec }) => ({
    name: spec.name ?? "hdf5",
    version: spec.version ?? "1.14",
    arch: {
      platform: spec.platform ?? "linux",
      platform_os: spec.os ?? "debian12",
      target: spec.target ?? "x86_64_v3",
    },
    parameters: { mpi: true, ...spec.parameters },
    dependencies: Object.entries(on).map(([other, virtuals]) => ({
      name: specs.find((known) => known.id === other)?.name ?? "hdf5",
      hash: hashOf(other),
      parameters: { deptypes: ["link"], virtuals },
    })),
    hash: hashOf(id),
  }));
  return decodeSpecFile({ spec: { _meta: { version: 5 }, nodes } }, "test");
}

const ids = (specs: readonly { readonly hash: string }[]) =>
  specs.map(({ hash }) => hash.replace(/a+$/, "")).join(" ");

test("the newest version comes first, then the target closest to the host", () => {
  const graph = cache(
    { id: "old", version: "1.12", target: "zen3" },
    { id: "plain", target: "x86_64" },
    { id: "close", target: "zen2" },
    { id: "foreign", target: "skylake" },
    { id: "beyond", target: "zen4" },
    { id: "mac", platform: "darwin", target: "m1" },
  );
  expect(ids(candidates(graph, parseSpec("hdf5"), { host }))).toBe("close plain old");
  expect(best(graph, parseSpec("hdf5@:1.12"), { host })?.hash).toBe(hashOf("old"));
  expect(best(graph, parseSpec("hdf5@2:"), { host })).toBeUndefined();
  expect(ids(candidates(graph, parseSpec("hdf5")))).toBe("foreign beyond mac close plain old");
});

test("equal specs are told apart by their system, then by hash, whatever their order", () => {
  const [b, c, d] = [{ id: "b" }, { id: "c" }, { id: "d", os: "rhel9" }];
  for (const order of [
    [b, c, d],
    [d, c, b],
    [c, d, b],
  ])
    expect(ids(candidates(cache(...order), parseSpec("hdf5"), { host }))).toBe("b c d");
});

test("releases are preferred to prereleases, and both to branches", () => {
  const versions = ["develop", "1.2", "git.main=1.3", "git.main", "2.0-rc1", "1.10"];
  expect(versions.sort(compareRecency)).toEqual([
    "git.main",
    "develop",
    "2.0-rc1",
    "1.2",
    "git.main=1.3",
    "1.10",
  ]);
});

test("a query for a virtual package finds what others use for it", () => {
  const graph = cache({ id: "app", on: { mpi: ["mpi"] } }, { id: "mpi", name: "openmpi", version: "5.0" });
  expect(ids(candidates(graph, parseSpec("mpi")))).toBe("mpi");
  expect(ids(candidates(graph, parseSpec("hdf5 ^mpi")))).toBe("app");
  expect(ids(candidates(graph, parseSpec("mpi@3:")))).toBe("");
});

test("without an answer, the nearest specs are named with what differs", () => {
  const graph = cache(
    { id: "b", version: "1.12", parameters: { mpi: false } },
    { id: "c", version: "1.14", on: { z: ["zlib-api"] } },
    { id: "z", name: "zlib", version: "1.2" },
  );
  const { nearest, similarNames } = explain(graph, parseSpec("hdf5@1.14+mpi target=zen: ^zlib@1.3:"), {
    host,
  });
  expect(similarNames).toEqual([]);
  expect(nearest.map(({ spec, differences }) => [spec.hash.slice(0, 1), differences])).toEqual([
    [
      "c",
      [
        { about: "target", wanted: "target=zen:", found: "target=x86_64_v3" },
        { about: "dependency", wanted: "^zlib@1.3:", found: "^zlib@1.2" },
      ],
    ],
    [
      "b",
      [
        { about: "version", wanted: "@1.14", found: "@1.12" },
        { about: "variant", wanted: "+mpi", found: "~mpi" },
        { about: "target", wanted: "target=zen:", found: "target=x86_64_v3" },
        { about: "dependency", wanted: "^zlib@1.3:", found: undefined },
      ],
    ],
  ]);
});

test("what this machine cannot run is told as such", () => {
  const graph = cache({ id: "b", target: "zen4" });
  expect(explain(graph, parseSpec("hdf5"), { host }).nearest[0]?.differences).toEqual([
    { about: "host", wanted: "platform=linux target=:zen3", found: "platform=linux target=zen4" },
  ]);
});

test("a name that is not there is compared with those that are", () => {
  const graph = cache({ id: "b" }, { id: "z", name: "zlib-ng" }, { id: "p", name: "py-numpy" });
  expect(explain(graph, parseSpec("hfd5")).similarNames).toEqual(["hdf5"]);
  expect(explain(graph, parseSpec("zlib@1.3")).similarNames).toEqual(["zlib-ng"]);
  expect(explain(graph, parseSpec("numpy")).similarNames).toEqual(["py-numpy"]);
});
