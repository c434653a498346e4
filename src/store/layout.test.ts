import { expect, test } from "vitest";
import { decodeNode } from "../spec/node.js";
import { layoutOf, oldProjection, paddedRootOf, prefixOf, unpaddedRootOf } from "./layout.js";

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

test.each([
  [undefined, "/r/linux-x86_64_v3/zlib-git.main_1.3-23njwcmmq3rzan6pdlhy4o32izhlht3c"],
  [
    oldProjection,
    "/r/linux-debian12-x86_64_v3/gcc-12.2.0/zlib-git.main_1.3-23njwcmmq3rzan6pdlhy4o32izhlht3c",
  ],
  ["{name}/{hash:7}", "/r/zlib/23njwcm"],
])("the prefix of a new package follows the projection %s", (projection, prefix) => {
  expect(prefixOf(layoutOf("/r", { projection }), spec)).toBe(prefix);
});

test("a projection with a field we cannot answer is refused", () => {
  expect(() => prefixOf(layoutOf("/r", { projection: "{^mpi.name}-{hash}" }), spec)).toThrow(
    expect.objectContaining({ code: "store.projection-unsupported" }),
  );
});

test("padding is found, and only padding", () => {
  for (let length = 40; length < 160; length += 1) {
    const root = paddedRootOf("/opt/store", length);
    expect(root).toHaveLength(length);
    if (root.includes("__spack_path_placeholder__")) expect(unpaddedRootOf(root)).toBe("/opt/store");
  }
  expect(unpaddedRootOf("/opt/__spack_path_placeholder__/mine")).toBe("/opt/__spack_path_placeholder__/mine");
});
