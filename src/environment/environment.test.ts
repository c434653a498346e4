import { expect, test } from "vitest";
import { formatEnvironment, imageEnvironment, parseEnvironment } from "./environment.js";

const directories = new Set([
  "/s/a/bin",
  "/s/b/bin",
  "/s/b/lib/pkgconfig",
  "/s/b/share/pkgconfig",
  "/s/b/share/man",
]);
const hasDirectory = (prefix: string, directory: string): boolean =>
  directories.has(`${prefix}/${directory}`);
const packages = [
  { prefix: "/s/b", runs: false },
  { prefix: "/s/a", runs: true },
];

test("dependencies come after dependents, new variables sorted after the base's", () => {
  const base = parseEnvironment(["PATH=/usr/bin:/bin", "LANG=C.UTF-8"]);
  expect(formatEnvironment(imageEnvironment(packages, base, { hasDirectory }))).toEqual([
    "PATH=/s/a/bin:/s/b/bin:/usr/bin:/bin",
    "LANG=C.UTF-8",
    "CMAKE_PREFIX_PATH=/s/a:/s/b",
    "MANPATH=/s/b/share/man",
    "PKG_CONFIG_PATH=/s/b/share/pkgconfig:/s/b/lib/pkgconfig",
  ]);
});

test("a directory stands in a list once, where it was found first", () => {
  const base = parseEnvironment(["PATH=/bin:/s/a/bin"]);
  expect(imageEnvironment(packages, base, { hasDirectory }).get("PATH")).toBe("/s/a/bin:/s/b/bin:/bin");
});

test("without a base there is still a PATH", () => {
  expect(imageEnvironment([], new Map(), { hasDirectory }).get("PATH")).toBe("/bin:/usr/bin");
});

test("other inspections replace Spack's defaults", () => {
  const inspections = [["lib", ["LD_LIBRARY_PATH"]]] as const;
  const environment = imageEnvironment(packages, new Map(), { inspections, hasDirectory: () => true });
  expect(environment.get("LD_LIBRARY_PATH")).toBe("/s/a/lib:/s/b/lib");
  expect(environment.has("CMAKE_PREFIX_PATH")).toBe(false);
});

test("a variable without = and one with several keep their text", () => {
  expect(formatEnvironment(parseEnvironment(["A", "B=c=d"]))).toEqual(["A=", "B=c=d"]);
});
