import { expect, test } from "vitest";
import { factsOf, isRecipeOf } from "./recipe.js";

test("a recipe tells its home page and one licence", () => {
  const recipe = `class Zlib(Package):\n    homepage = "https://zlib.net"\n\n    license("Zlib", checked_by="me")\n`;
  expect(factsOf(recipe)).toEqual({ homepage: "https://zlib.net", license: "Zlib" });
});

test("licences with conditions, and what is no directive, tell nothing", () => {
  expect(factsOf(`    license("A", when="@1")\n`)).toEqual({});
  expect(factsOf(`    license("A")\n    license("B")\n`)).toEqual({});
  expect(factsOf(`        license("A")\n# homepage = "https://x.org"\n`)).toEqual({});
});

test("a recipe is found by the package's name, as it is or as Python has it", () => {
  expect(isRecipeOf("/p/.spack/repos/spack_repo/builtin/packages/py_numpy/package.py", "py-numpy")).toBe(
    true,
  );
  expect(isRecipeOf("/p/.spack/repos/builtin/packages/py-numpy/package.py", "py-numpy")).toBe(true);
  expect(isRecipeOf("/p/.spack/repos/builtin/packages/python/package.py", "py-numpy")).toBe(false);
});

test("what may not be redistributed is told, with its condition", () => {
  const told = (line: string) => factsOf(`class A(Package):\n    ${line}\n`).unredistributable;
  expect(told("redistribute(source=False, binary=False)")).toEqual([""]);
  expect(told('redistribute(binary=False, when="@2: +gpl")')).toEqual(["@2: +gpl"]);
  expect(told("redistribute(source=False)")).toBeUndefined();
  expect(factsOf("class A(IntelOneApiLibraryPackage):\n    pass\n").unredistributable).toEqual([""]);
});
