import { expect, test } from "vitest";
import { imageVariables } from "./image-variables.js";

const environment = new Map([["PATH", "/a:/b"]]);
const after = (...lines: string[]) => Object.fromEntries(imageVariables(environment, lines));

test("a variable is set, or made of what is there, each path once", () => {
  expect(after("LANG=C", "PATH=/c:$PATH:/a")).toEqual({ LANG: "C", PATH: "/c:/a:/b" });
  // biome-ignore lint/suspicious/noTemplateCurlyInString: as a shell writes it
  expect(after("PATH=${PATH}:/c")).toEqual({ PATH: "/a:/b:/c" });
  expect(after("EMPTY=", "MIXED=a:b:a")).toEqual({ PATH: "/a:/b", EMPTY: "", MIXED: "a:b:a" });
});

test("what sets nothing is refused", () => {
  for (const line of ["PATH", "=x", "1=2"]) expect(() => after(line)).toThrow(/sets no variable/);
});
