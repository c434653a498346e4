import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { view } from "../../src/app/view.js";
import { viewRemove, viewStatus } from "../../src/app/view-contents.js";
import { systemFiles } from "../../src/io/system/files.js";
import { parseDagHash } from "../../src/spec/dag-hash.js";
import { encodeSpecFile } from "../../src/spec/spec-file.js";
import { makeView, type ViewMethod, viewMethods } from "../../src/view/make.js";
import { planView, type ViewPackage } from "../../src/view/plan.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";
import { installFrom } from "../support/install-from.js";
import { graphOf, makePackage } from "../support/packages.js";

const scratch = scratchDirectory();
afterAll(() => scratch[Symbol.dispose]());
const at = (name: string): string => join(scratch.path, name);

/** A package with these files; what begins with `->` is a link. */
function packageWith(name: string, content: Readonly<Record<string, string>>, version = "1.0"): ViewPackage {
  const spec = makePackage(name, version);
  const prefix = at(`store/${name}-${version}-${spec.hash}`);
  const all = { ...content, ".spack/spec.json": encodeSpecFile(graphOf(spec, [])) };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(prefix, path)), { recursive: true });
    const own = text.replaceAll("PREFIX", prefix);
    if (own.startsWith("-> ")) symlinkSync(own.slice(3), join(prefix, path));
    else writeFileSync(join(prefix, path), own, { mode: path.startsWith("bin/") ? 0o755 : 0o644 });
  }
  return { spec, prefix };
}

function make(name: string, packages: readonly ViewPackage[], method: ViewMethod = "symlink"): string {
  const root = at(name);
  const plan = planView(packages, { root, files: systemFiles });
  makeView(plan, { method, files: systemFiles, storeRoot: at("store") });
  return root;
}

describe("a view of made-up packages", () => {
  test("two files at one path are a conflict, and so are a file and a directory; the first keeps its place", () => {
    const a = packageWith("a", { "bin/tool": "a", "share/x": "a file", "lib/both/a": "" });
    const b = packageWith("b", { "bin/tool": "b", "share/x/y": "below a file", "lib/both/b": "" });
    const plan = planView([a, b], { root: at("conflicts"), files: systemFiles });
    expect(plan.conflicts).toEqual(
      ["bin/tool", "share/x"].map((name) => ({ type: "path", spec: b.spec, name, other: a.spec })),
    );
    const root = make("conflicts", [a, b]);
    expect(readFileSync(join(root, "bin/tool"), "utf8")).toBe("a");
    expect(readdirSync(join(root, "lib/both")).sort()).toEqual(["a", "b"]);
    expect(readdirSync(join(root, ".spack")).sort()).toEqual(["a", "b"]);
  });

  test("a view has one package of each name; the same again changes nothing", () => {
    const one = packageWith("c", { "bin/c": "1" });
    const two = packageWith("c", { "bin/c": "2" }, "2.0");
    const root = make("names", [one]);
    expect(planView([one], { root, files: systemFiles })).toMatchObject({
      added: [],
      entries: [],
      conflicts: [],
    });
    expect(planView([two], { root, files: systemFiles }).conflicts).toMatchObject([
      { type: "package", spec: { version: "2.0" }, other: { version: "1.0" } },
    ]);
    expect(planView([one, two], { root: at("fresh"), files: systemFiles }).conflicts).toMatchObject([
      { type: "package" },
    ]);
  });

  test("a view that was cut off is completed", () => {
    const one = packageWith("d", { "bin/d": "1", "share/d": "2" });
    const root = make("cut", [one]);
    rmSync(join(root, ".spack/d/spec.json"));
    rmSync(join(root, "share/d"));
    const plan = planView([one], { root, files: systemFiles });
    expect(plan.conflicts).toEqual([]);
    expect(plan.entries.map(({ name }) => name)).toEqual(["share/d", ".spack/d/spec.json"]);
  });

  test("scripts start the view's python, whose programs are copies", () => {
    const python = packageWith("python", { "bin/python3.11": "a program", "bin/python3": "-> python3.11" });
    const pip = packageWith("py-pip", {
      "bin/pip": `#!${python.prefix}/bin/python3.11\nimport pip\n`,
      "bin/pip3": "-> pip",
      "bin/other": "#!/bin/sh\n",
      "lib/pip.py": "pass\n",
    });
    const root = make("python", [pip, python]);
    expect(readFileSync(join(root, "bin/pip"), "utf8")).toBe(`#!${root}/bin/python3.11\nimport pip\n`);
    expect(lstatSync(join(root, "bin/pip")).mode & 0o777).toBe(0o755);
    expect(readlinkSync(join(root, "bin/pip3"))).toBe(join(root, "bin/pip"));
    expect(lstatSync(join(root, "bin/python3.11")).isFile()).toBe(true);
    expect(readlinkSync(join(root, "bin/python3"))).toBe(join(root, "bin/python3.11"));
    expect(readlinkSync(join(root, "bin/other"))).toBe(join(pip.prefix, "bin/other"));
    expect(readlinkSync(join(root, "lib/pip.py"))).toBe(join(pip.prefix, "lib/pip.py"));
  });

  test("copies name the view instead of their packages", () => {
    const one = packageWith("e", {
      "lib/e.pc": "prefix=PREFIX\n",
      "lib/link": "-> PREFIX/lib/e.pc",
      "lib/near": "-> e.pc",
    });
    const root = make("copied", [one], "copy");
    expect(readFileSync(join(root, "lib/e.pc"), "utf8")).toBe(`prefix=${root}\n`);
    expect(readlinkSync(join(root, "lib/link"))).toBe(join(root, "lib/e.pc"));
    expect(readlinkSync(join(root, "lib/near"))).toBe("e.pc");
  });
});

describe.skipIf(!hasShared)("a view of what is installed", () => {
  const store = at("installed");
  const options = { store, home: scratch.path, cwd: scratch.path, env: {} };
  beforeAll(async () => {
    const greet = parseDagHash("fnjwovnnel7zse6f4ljr3y6budjlpyrd");
    await installFrom({
      layout: join(shared, "oci/cache"),
      root: store,
      cache: at("cache"),
      roots: [{ hash: greet }],
    });
  });

  test.each(viewMethods)("%s: its programs run", async (method) => {
    const { plan, problems } = await view(`view-${method}`, ["greet"], { ...options, method });
    expect(plan.added).toHaveLength(6);
    expect(problems).toEqual([]);
    for (const program of ["greet", "greet-sh", "greet-self"])
      expect(execFileSync(join(plan.root, "bin", program), { encoding: "utf8" })).toMatch(/^Hello, /);
    if (method === "copy") {
      const said = execFileSync(join(plan.root, "bin/greet"), ["--where"], { encoding: "utf8" });
      for (const line of said.trim().split("\n")) expect(line.replace(/^\/+/, "/")).toBe(plan.root);
    }
    expect((await view(plan.root, ["greet"], { ...options, method })).plan.entries).toEqual([]);
  });

  test.each(viewMethods)("%s: packages go with what needs them, and nothing else does", async (method) => {
    const directory = at(`emptied-${method}`);
    await view(directory, ["greet"], { ...options, method });
    writeFileSync(join(directory, "bin/mine"), "my own");
    const { packages } = await viewStatus(directory, [], options);
    expect(packages.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["bzip2", "gcc-runtime", "greet", "greet-data", "libgreet", "zlib"]),
    );
    await expect(viewRemove(directory, ["zlib"], { ...options, dependents: false })).rejects.toMatchObject({
      code: "view.needed",
    });
    expect((await viewStatus(directory, [], options)).packages).toHaveLength(packages.length);
    const bzip2 = await viewRemove(directory, ["bzip2"], { ...options, dependencies: false });
    expect(bzip2.removed.map(({ name }) => name).sort()).toEqual(["bzip2", "greet"]);
    expect(bzip2.kept).toEqual([]);
    expect(existsSync(join(directory, "bin/greet"))).toBe(false);
    const rest = await viewRemove(directory, [], { ...options, all: true });
    expect([rest.removed.length, rest.kept]).toEqual([packages.length - 2, []]);
    expect(readdirSync(directory, { recursive: true }).sort()).toEqual(["bin", "bin/mine"]);
  });

  test("packages can be left out, and a conflict stops it before anything is written", async () => {
    const { plan } = await view("some", ["greet"], { ...options, exclude: [/^gcc/, /^zlib$/] });
    expect(plan.added.map(({ spec }) => spec.name).sort()).toEqual([
      "bzip2",
      "greet",
      "greet-data",
      "libgreet",
    ]);
    mkdirSync(at("taken/bin"), { recursive: true });
    writeFileSync(at("taken/bin/greet"), "mine");
    await expect(view("taken", ["greet"], options)).rejects.toMatchObject({
      code: "view.conflict",
      message: expect.stringContaining("bin/greet of greet@2.1.0/fnjwovn: it is there already"),
    });
    expect(existsSync(at("taken/lib"))).toBe(false);
    await view("taken", ["greet"], { ...options, ignoreConflicts: true, dependencies: false });
    expect(readFileSync(at("taken/bin/greet"), "utf8")).toBe("mine");
    expect(existsSync(at("taken/bin/greet-sh"))).toBe(true);
  });
});
