import { expect, test } from "vitest";
import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { Report } from "../base/progress.js";
import type { Entry, PackageSource } from "../buildcache/source.js";
import { digestOf } from "../oci/digest.js";
import { nodeOf, subgraph } from "../spec/graph.js";
import { dagHashOf } from "../spec/hash-check.js";
import type { Host } from "../spec/host.js";
import { decodeSpecFile } from "../spec/spec-file.js";
import { emptyDatabase, withRecords } from "../store/database.js";
import { layoutOf } from "../store/layout.js";
import { assertInstallable, type InstallRequest, planInstall } from "./plan.js";

const host: Host = { platform: "linux", os: "debian12", target: "x86_64_v3", glibc: "2.36" };

function node(
  name: string,
  { target = "x86_64", on = [] as readonly { name: string; hash: string }[] } = {},
) {
  const spec = {
    name,
    version: name === "glibc" ? "2.38" : "1.0",
    arch: { platform: "linux", platform_os: "debian12", target },
    namespace: "builtin",
    parameters: {},
    ...(name === "glibc" ? { external: { path: "/usr", module: null, extra_attributes: {} } } : {}),
    dependencies: on.map((other) => ({
      name: other.name,
      hash: other.hash,
      parameters: { deptypes: ["link"], virtuals: [] },
    })),
    annotations: { original_specfile_version: 5 },
  };
  return { ...spec, hash: dagHashOf(spec, 5) ?? "" };
}

const zlib = node("zlib");
const libpng = node("libpng", { on: [zlib] });
const root = node("app", { on: [libpng, zlib] });
const graph = decodeSpecFile({ spec: { _meta: { version: 5 }, nodes: [root, libpng, zlib] } }, "test");
const [rootHash] = graph.roots;
if (rootHash === undefined) throw new Error("no root");

function sourceOf(names: readonly string[], all = graph): PackageSource {
  return {
    label: `mirror of ${names.join(" and ")}`,
    resolve: async ({ hash }): Promise<Entry | undefined> => {
      const spec = all.nodes.get(hash);
      if (spec === undefined || !names.includes(spec.name)) return undefined;
      const layer = { mediaType: "application/x-tar", digest: digestOf(new Uint8Array()), size: 100 };
      return { label: names.join(), spec, graph: subgraph(all, hash), layer, open: async function* () {} };
    },
  };
}

const plan = (request: Partial<InstallRequest> = {}, call?: Call) =>
  planInstall(
    {
      roots: [{ hash: rootHash }],
      sources: [sourceOf(["app", "libpng", "zlib"])],
      database: emptyDatabase(),
      layout: layoutOf("/store"),
      host,
      ...request,
    },
    call,
  );
const codes = (problems: readonly Failure[]) => problems.map(({ code }) => code);

test("a plan has all that the roots need, dependencies first, each from the first mirror that has it", async () => {
  const { packages, bytes, problems } = await plan({
    sources: [sourceOf(["app", "zlib"]), sourceOf(["libpng", "zlib"])],
  });
  expect(
    packages.map((one) => [one.spec.name, one.state === "fetch" && one.entry.label, one.explicit]),
  ).toEqual([
    ["zlib", "app,zlib", false],
    ["libpng", "libpng,zlib", false],
    ["app", "app,zlib", true],
  ]);
  expect([bytes, problems]).toEqual([300, []]);
});

test("what is installed is present; of what is not, only what is asked for is planned", async () => {
  const spec = nodeOf(graph, [...graph.nodes.keys()][2] ?? rootHash);
  const database = withRecords(emptyDatabase(), [
    {
      spec,
      path: "/elsewhere/zlib",
      installed: true,
      explicit: false,
      refCount: 0,
      installationTime: 1,
      deprecatedFor: undefined,
      inBuildcache: undefined,
      raw: undefined,
    },
  ]);
  const { packages } = await plan({ database, only: "dependencies" });
  expect(packages.map(({ spec: { name }, state, prefix }) => [name, state, prefix])).toEqual([
    ["zlib", "present", "/elsewhere/zlib"],
    ["libpng", "fetch", `/store/linux-x86_64/libpng-1.0-${libpng.hash}`],
  ]);
  const { problems } = await plan({ database, only: "package" });
  expect(codes(problems)).toEqual(["install.dependencies-left-out"]);
  expect(problems[0]?.message).toMatch(/alone needs libpng@1\.0\/\w{7}$/);
});

test("packages that no mirror has are named, all of them", async () => {
  const { problems } = await plan({ sources: [sourceOf(["app"])] });
  expect(codes(problems)).toEqual(["install.package-missing"]);
  expect(problems[0]?.message).toMatch(/2 packages .*mirror of app.*zlib@1.0.*libpng@1.0/);
});

test("a mirror that cannot answer is asked once, warned of, and a failure only where no other can", async () => {
  let asked = 0;
  const broken: PackageSource = {
    label: "broken",
    resolve() {
      asked++;
      return Promise.reject(new Failure("unavailable", "no answer", { code: "http.unavailable" }));
    },
  };
  const notes: string[] = [];
  const report: Report = (event) => event.type === "note" && notes.push(event.message);
  const sources = [broken, sourceOf(["app", "libpng", "zlib"])];
  expect((await plan({ sources }, { report })).problems).toEqual([]);
  expect([asked, notes]).toEqual([1, ["asking the other mirrors, not broken: no answer"]]);
  await expect(plan({ sources: [broken, sourceOf(["app"])] })).rejects.toMatchObject({
    code: "http.unavailable",
  });
});

test.each([
  ["install.wrong-target", { host: { ...host, target: "aarch64" } }, /x86_64.*aarch64/],
  ["install.wrong-platform", { host: { ...host, platform: "darwin" } }, /linux.*darwin/],
  ["store.no-space", { freeBytes: 299 }, /299 bytes/],
  ["install.root-too-long", { layout: layoutOf(`/${"r".repeat(120)}`) }, /121 bytes/],
])("%s is known before anything is fetched", async (code, request, message) => {
  const planned = await plan(request);
  expect(codes(planned.problems)).toEqual([code]);
  expect(() => assertInstallable(planned)).toThrow(message);
});

test("a prefix that may have no room is told before anything is fetched, with the root that would do", async () => {
  const source = sourceOf(["app", "libpng", "zlib"]);
  const told: PackageSource = {
    ...source,
    resolve: async (request) => {
      const entry = await source.resolve(request);
      const { name, hash } = request;
      return entry && { ...entry, madeIn: name === "zlib" ? `/o/zlib-1.0-${hash}` : undefined };
    },
  };
  const room = `/o/zlib-1.0-${zlib.hash}`.length - "/.a/1234567".length;
  const tightIn = async (length: number) =>
    await plan({ sources: [told], strict: true, layout: layoutOf(`/${"r".repeat(length - 1)}`) });
  const fits = await tightIn(room);
  expect([fits.tight, fits.problems]).toEqual([[], []]);
  const { tight, problems } = await tightIn(room + 1);
  expect(tight).toMatchObject([{ spec: { name: "zlib" }, longestRoot: room }]);
  expect(codes(problems)).toEqual(["install.prefix-too-long"]);
});

test("binaries for a newer glibc than the machine's are refused", async () => {
  const glibc = node("glibc");
  const app = node("app", { on: [glibc] });
  const newer = decodeSpecFile({ spec: { _meta: { version: 5 }, nodes: [app, glibc] } }, "test");
  const request = { roots: newer.roots.map((hash) => ({ hash })), sources: [sourceOf(["app"], newer)] };
  const { problems, externals } = await plan(request);
  expect(codes(problems)).toEqual(["install.glibc-too-old"]);
  expect(externals.map(({ name }) => name)).toEqual(["glibc"]);
  expect((await plan({ ...request, host: { ...host, glibc: "2.39" } })).problems).toEqual([]);
});

test("where packages may be missing, what needs them is left out, and the rest is planned", async () => {
  const { packages, missing, problems } = await plan({
    sources: [sourceOf(["app", "zlib"])],
    allowMissing: true,
    roots: [{ hash: rootHash }, ...[...graph.nodes.keys()].slice(2).map((hash) => ({ hash }))],
    explicit: new Set([rootHash]),
  });
  expect(packages.map(({ spec: { name }, explicit }) => [name, explicit])).toEqual([["zlib", false]]);
  expect(missing.map(({ name }) => name)).toEqual(["libpng", "app"]);
  expect(problems).toEqual([]);
});
