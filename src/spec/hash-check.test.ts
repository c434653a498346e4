import { expect, test } from "vitest";
import { makePackage } from "../../test/support/packages.js";
import { assertHash, type CheckedNodes } from "./hash-check.js";
import { decodeNode } from "./node.js";

test("assertHash() refuses another node under a hash that was found right before", () => {
  const checked: CheckedNodes = new Map();
  const options = { format: 5, subject: "test", checked };
  const right = makePackage("right");
  assertHash(right, options);
  assertHash(right, options);
  const place = { subject: "test", code: "test", path: "" };
  const forged = decodeNode({ ...right.node, version: "6.6" }, place);
  expect(forged.hash).toBe(right.hash);
  for (const _ of ["once", "and again"])
    expect(() => assertHash(forged, options)).toThrow(/says that its hash is/);
});
