import { expect, test } from "vitest";
import { Failure, type FailureKind } from "../base/failure.js";
import { failedPart } from "./failed-part.js";

const failing = (kinds: readonly FailureKind[], done = false): FailureKind =>
  failedPart({
    failures: kinds.map((kind) => new Failure(kind, "no", { code: "x" }).toJSON()),
    done,
    message: "could not",
    code: "y",
    subject: "z",
  }).kind;

test("part of the work failed: that is its kind, as long as the rest was done", () => {
  expect(failing(["corrupt", "partial"], true)).toBe("partial");
});

test("where nothing was done and all failed alike, the kind is theirs", () => {
  expect(failing(["corrupt", "partial", "corrupt"])).toBe("corrupt");
  expect(failing(["corrupt", "unavailable"])).toBe("partial");
  expect(failing(["partial"])).toBe("partial");
});
