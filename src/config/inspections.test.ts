import { expect, test } from "vitest";
import { decodeInspections } from "./inspections.js";
import { nodeAt } from "./node.js";
import { parseConfig } from "./parse.js";

const decode = (text: string) =>
  decodeInspections(nodeAt(parseConfig(text, { file: "F", scope: "s" }), ["modules"]));

test("prefix inspections are read in order, their directories without dots", () => {
  expect(decode("modules:\n  prefix_inspections:\n    ./lib/: [A, B]\n    ./: [C]\n    bin: []\n")).toEqual({
    directories: [
      ["lib", ["A", "B"]],
      ["", ["C"]],
      ["bin", []],
    ],
    replaces: false,
  });
  expect(decode("modules:\n  prefix_inspections::\n    bin: [P]\n")?.replaces).toBe(true);
  expect(decode("modules: {}\n")).toBeUndefined();
});
