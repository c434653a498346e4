import { expect, test } from "vitest";
import { graphOf, makePackage } from "../../test/support/packages.js";
import type { SpecGraph } from "../spec/concrete-spec.js";
import { decodeNode } from "../spec/node.js";
import { parseSpec } from "../spec/parse-spec.js";
import { layoutOf, oldProjection, prefixOf, unpaddedRootOf } from "./layout.js";

const spec = decodeNode(
  {
    name: "zlib",
    version: "git.main=1.3",
    arch: { platform: "linux", platform_os: "debian12", target: "x86_64_v3" },
    compiler: { name: "gcc", version: "12.2.0" },
    hash: "23njwcmmq3rzan6pdlhy4o32izhlht3c",
  },
  { subject: "test", code: "spec.invalid", path: "" },
);

const graph: SpecGraph = { roots: [spec.hash], nodes: new Map([[spec.hash, spec]]), format: 4 };

test.each([
  [undefined, "/r/linux-x86_64_v3/zlib-git.main_1.3-23njwcmmq3rzan6pdlhy4o32izhlht3c"],
  [
    oldProjection,
    "/r/linux-debian12-x86_64_v3/gcc-12.2.0/zlib-git.main_1.3-23njwcmmq3rzan6pdlhy4o32izhlht3c",
  ],
  ["{name}/{hash:7}", "/r/zlib/23njwcm"],
])("the prefix of a new package follows the projection %s", (projection, prefix) => {
  expect(prefixOf(layoutOf("/r", { projection }), spec, graph)).toBe(prefix);
});

test.each(["..", ".", "1".repeat(256)])(
  "a version %s names no directory, so does not lead out of the store",
  (version) => {
    const layout = layoutOf("/r", { projection: "{name}/{version}/{hash}" });
    expect(() => prefixOf(layout, { ...spec, version }, graph)).toThrow(
      expect.objectContaining({ code: "store.prefix-invalid" }),
    );
  },
);

test("the first projection that a package matches is its own, of all others the rest's", () => {
  const mpi = makePackage("mpich", "4.2");
  const solver = makePackage("solver", "2.0", [mpi]);
  const layout = layoutOf("/r", {
    projection: "{name}-{version}-{hash}",
    exceptions: [
      { when: parseSpec("solver@3:"), path: "new/{name}" },
      { when: parseSpec("^mpich"), path: "{name}/{version}-{^mpich.name}-{^mpich.version}" },
      { when: parseSpec("solver"), path: "late" },
    ],
  });
  const all = graphOf(solver, [mpi]);
  expect(prefixOf(layout, solver, all)).toBe("/r/solver/2.0-mpich-4.2");
  expect(prefixOf(layout, mpi, all)).toBe(`/r/mpich-4.2-${mpi.hash}`);
});

test("a projection with a field we cannot answer is refused", () => {
  expect(() => prefixOf(layoutOf("/r", { projection: "{^mpi.name}-{hash}" }), spec, graph)).toThrow(
    expect.objectContaining({ code: "store.projection-unsupported" }),
  );
});

test.each([
  ["/opt/store/__spack_path_placeholder__/__spack_path_placeholder__/__spack_p", "/opt/store"],
  ["/opt/store/__spack_path_placeholder___", "/opt/store"],
  ["/opt/__spack_path_placeholder__/mine", "/opt/__spack_path_placeholder__/mine"],
])("padding is found where only padding follows: %s", (root, unpadded) => {
  expect(unpaddedRootOf(root)).toBe(unpadded);
});
