import { expect, test } from "vitest";
import { utf8 } from "./bytes.js";
import { isTooDeep, mostNesting } from "./nesting.js";

const nested = (levels: number, inner = ""): Uint8Array =>
  utf8(`${'{"a":['.repeat(levels / 2)}${inner}${"]}".repeat(levels / 2)}`);

test("isTooDeep() counts lists and objects, and not what texts hold", () => {
  expect(isTooDeep(nested(mostNesting))).toBe(false);
  expect(isTooDeep(nested(mostNesting + 2))).toBe(true);
  expect(isTooDeep(nested(mostNesting, JSON.stringify(`[{\\"[${"[".repeat(1000)}`)))).toBe(false);
  expect(isTooDeep(utf8(JSON.stringify(Array.from({ length: 1000 }, () => [{}]))))).toBe(false);
});
