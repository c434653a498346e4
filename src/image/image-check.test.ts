import { expect, test } from "vitest";
import { findMissing } from "./image-check.js";
import { createImageTree } from "./image-tree.js";
import type { LayerScan, ScannedElf } from "./layer-scan.js";

const elf = (path: string, more: Partial<ScannedElf> = {}): ScannedElf => ({
  path,
  bits: 64,
  order: "little",
  machine: 62,
  type: 3,
  interpreter: undefined,
  soname: undefined,
  needed: [],
  rpath: [],
  runpath: [],
  versionsNeeded: new Map(),
  versionsDefined: [],
  ...more,
});
const scan = (files: readonly ScannedElf[], more: Partial<LayerScan> = {}): LayerScan => ({
  elf: files,
  links: [],
  removed: [],
  libraryPaths: [],
  ...more,
});

const interpreter = "/lib64/ld-linux-x86-64.so.2";
/** A base as Debian's: `/lib` is a link, libraries are in a directory for the architecture. */
const debian = scan(
  [
    elf("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", { versionsDefined: ["GLIBC_2.3"] }),
    elf("/usr/lib/x86_64-linux-gnu/libc.so.6", {
      soname: "libc.so.6",
      versionsDefined: ["GLIBC_2.2.5", "GLIBC_2.34"],
    }),
  ],
  {
    links: [
      { path: "/lib", target: "usr/lib" },
      { path: "/lib64", target: "usr/lib64" },
      { path: "/usr/lib64/ld-linux-x86-64.so.2", target: "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" },
    ],
  },
);
const program = (more: Partial<ScannedElf> = {}): ScannedElf =>
  elf("/s/app/bin/app", { interpreter, needed: ["libc.so.6"], ...more });

function missing(
  files: readonly ScannedElf[],
  { base = debian, libraryPath = "", architecture = "amd64" } = {},
) {
  const tree = createImageTree([{ scan: base }, { scan: scan(files), owner: "app" }]);
  return findMissing(tree, { architecture, libraryPath }).map(({ file, name }) => `${file} needs ${name}`);
}

test("a program finds loader and libc behind links of directories", () => {
  expect(missing([program()])).toEqual([]);
});

test("without a libc, loader and library are missing", () => {
  expect(missing([program()], { base: scan([]) })).toEqual([
    `/s/app/bin/app needs ${interpreter}`,
    "/s/app/bin/app needs libc.so.6",
  ]);
});

test("a version that the library does not have is missing, of one without versions none is", () => {
  const needs = (version: string) => program({ versionsNeeded: new Map([["libc.so.6", [version]]]) });
  expect(missing([needs("GLIBC_2.34")])).toEqual([]);
  expect(missing([needs("GLIBC_2.38")])).toEqual(["/s/app/bin/app needs GLIBC_2.38"]);
  const plain = elf("/s/app/lib/libc.so.6");
  expect(missing([{ ...needs("GLIBC_2.38"), runpath: ["/s/app/lib"] }, plain])).toEqual([]);
});

test("DT_RPATH holds for what is loaded, too, DT_RUNPATH only for the file itself", () => {
  const libraries = [elf("/s/lib/liba.so", { needed: ["libb.so"] }), elf("/s/lib/libb.so")];
  const app = { needed: ["liba.so"] };
  expect(missing([program({ ...app, rpath: ["/s/lib"] }), ...libraries])).toEqual([]);
  expect(missing([program({ ...app, runpath: ["/s/lib"] }), ...libraries])).toEqual([
    "/s/lib/liba.so needs libb.so",
  ]);
  expect(missing([program({ ...app, rpath: ["/s/lib"], runpath: ["/none"] }), ...libraries])).toEqual([
    "/s/app/bin/app needs liba.so",
  ]);
});

test("a library's DT_RUNPATH does not hide its program's DT_RPATH from what it loads", () => {
  const libraries = [
    elf("/s/lib/liba.so", { needed: ["libb.so"], runpath: ["/s/other"] }),
    elf("/s/other/libb.so", { needed: ["libc.so"] }),
    elf("/s/lib/libc.so"),
  ];
  expect(missing([program({ needed: ["liba.so"], rpath: ["/s/lib"] }), ...libraries])).toEqual([]);
});

test("what comes with the driver of the host is not missing", () => {
  expect(missing([program({ needed: ["libcuda.so.1", "libnvidia-ml.so.1", "libcudart.so.12"] })])).toEqual([
    "/s/app/bin/app needs libcudart.so.12",
  ]);
});

test("$ORIGIN is the directory of the file, LD_LIBRARY_PATH the image's", () => {
  const library = elf("/s/app/lib/liba.so");
  expect(missing([program({ needed: ["liba.so"], runpath: ["$ORIGIN/../lib"] }), library])).toEqual([]);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: as the loader writes it
  expect(missing([program({ needed: ["liba.so"], rpath: ["${ORIGIN}/../lib"] }), library])).toEqual([]);
  expect(missing([program({ needed: ["liba.so"] }), library], { libraryPath: "/s/app/lib" })).toEqual([]);
  expect(missing([program({ needed: ["liba.so"] }), library])).toEqual(["/s/app/bin/app needs liba.so"]);
});

test("a plugin may rely on what its unknown program has loaded, but not on what is nowhere", () => {
  const plugin = elf("/s/app/lib/plugin.so", { needed: ["libhidden.so", "libx11.so"] });
  expect(missing([plugin, elf("/s/app/lib/private/libhidden.so")])).toEqual([
    "/s/app/lib/plugin.so needs libx11.so",
  ]);
});

test("libraries for another processor do not count, and files for one are data", () => {
  const foreign = elf("/s/app/lib/liba.so", { machine: 183 });
  expect(missing([program({ needed: ["liba.so"], runpath: ["/s/app/lib"] }), foreign])).toEqual([
    "/s/app/bin/app needs liba.so",
  ]);
  expect(missing([program({ machine: 183 })], { base: scan([]) })).toEqual([]);
});

test("upper layers take away and replace, links that go round lead nowhere", () => {
  const tree = createImageTree([
    { scan: scan([elf("/lib/a.so"), elf("/lib/b/c.so"), elf("/opt/d.so")]) },
    {
      scan: scan([elf("/opt/e.so")], {
        removed: ["/lib/a.so", "/lib/b", "/opt/"],
        links: [{ path: "/round", target: "round" }],
      }),
    },
  ]);
  const found = ["/lib/a.so", "/lib/b/c.so", "/opt/d.so", "/opt/e.so", "/opt/../opt/./e.so", "/round/x"];
  expect(found.filter((path) => tree.find(path) !== undefined)).toEqual(["/opt/e.so", "/opt/../opt/./e.so"]);
});
