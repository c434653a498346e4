import { candidates } from "../src/spec/choose.js";
import type { SpecGraph } from "../src/spec/concrete-spec.js";
import { checkHash } from "../src/spec/hash-check.js";
import { decodeLockfile } from "../src/spec/lockfile.js";
import { parseSpec, parseSpecs } from "../src/spec/parse-spec.js";
import { type Benchmark, type Prepare, seeded } from "./harness.js";

const texts = 10_000;
const packages = 250;
const builds = 80;

export const prepare: Prepare = () => {
  const lockfile = syntheticLockfile();
  const { graph } = decodeLockfile(lockfile, "synthetic");
  const count = graph.nodes.size;
  const some = specTexts();
  return [
    { name: "parse 10,000 spec texts", run: () => some.map(parseSpecs), count: texts, unit: "texts" },
    { name: "decode 20,000 nodes", run: () => decodeLockfile(lockfile, "synthetic"), count, unit: "nodes" },
    {
      name: "check 20,000 hashes",
      run: () => [...graph.nodes.values()].filter((spec) => checkHash(spec, graph.format) === "same"),
      count,
      unit: "hashes",
    },
    ...["p7@2.3:+v1", "+v1~v2", "target=:zen2", "%gcc@12", "^p3@2:", "^virtual4 %c=gcc"].map((text) =>
      filterBenchmark(text, graph),
    ),
  ];
};

/** A query read anew, and nothing known of the graph: what a command does. */
const filterBenchmark = (text: string, graph: SpecGraph): Benchmark => ({
  name: `filter 20,000 specs by "${text}"`,
  run: () => candidates(graph, parseSpec(text)),
  count: graph.nodes.size,
  unit: "specs",
  demands: [{ milliseconds: 100 }],
});

function specTexts(): readonly string[] {
  const random = seeded(1);
  const pick = (...choices: readonly string[]): string =>
    choices[Math.floor(random() * choices.length)] ?? "";
  const node = (): string =>
    `${pick("zlib", "py-numpy", "builtin.hdf5", "openmpi")}${pick("", "@1.2", "@1.2:1.4", "@=2.0", "@git.main=3.1")}` +
    `${pick("", "+mpi~shared", " build_type=Release", " languages:='c,c++'", " cflags='-O2 -g'")}${pick("", " target=zen2:", " os=debian12")}`;
  return Array.from(
    { length: texts },
    () =>
      node() + pick("", ` ^${node()}`, " %gcc@12", ` ^[virtuals=mpi deptypes=link] ${node()} %c,cxx=llvm`),
  );
}

/** As many builds of as many packages as a large mirror has: each depends on up to eight packages of its generation. */
function syntheticLockfile() {
  const random = seeded(2);
  const targets = ["x86_64", "x86_64_v3", "zen2", "zen3", "skylake"];
  const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
  const hashOf = (build: number, index: number): string => {
    let number = build * (packages + 1) + index;
    let hash = "";
    while (hash.length < 32) {
      hash = `${alphabet[number % 32]}${hash}`;
      number = Math.floor(number / 32);
    }
    return hash;
  };
  const flags = { cflags: [], cppflags: [], cxxflags: [], fflags: [], ldflags: [], ldlibs: [] };
  const node = (build: number, index: number) => {
    const below = new Set(Array.from({ length: 8 }, () => Math.floor(random() * index)));
    const dependency = (other: number) => ({
      name: other === 0 ? "gcc" : `p${other}`,
      hash: hashOf(build, other),
      parameters:
        other === 0
          ? { deptypes: ["build"], virtuals: ["c", "cxx"] }
          : { deptypes: ["build", "link"], virtuals: other % 5 === 4 ? [`virtual${other}`] : [] },
    });
    return {
      name: index === 0 ? "gcc" : `p${index}`,
      version: `${1 + (build % 4)}.${Math.floor(random() * 10)}.${build}`,
      arch: { platform: "linux", platform_os: "debian12", target: targets[build % targets.length] },
      namespace: "builtin",
      parameters: {
        build_system: "cmake",
        v1: random() < 0.5,
        v2: random() < 0.5,
        languages: ["c", "c++"],
        ...flags,
      },
      package_hash: "n3ldscne7xdusikzhqmo2m4vrlx5buemyoi6uyul7rh3rhygukla====",
      ...(index === 0 ? {} : { dependencies: [...below].sort().map(dependency) }),
      annotations: { original_specfile_version: 5 },
      hash: hashOf(build, index),
    };
  };
  const nodes = Array.from({ length: builds }, (_, build) =>
    Array.from({ length: packages }, (_none, index) => node(build, index)),
  ).flat();
  return {
    _meta: { "file-type": "spack-lockfile", "lockfile-version": 6, "specfile-version": 5 },
    roots: [],
    concrete_specs: Object.fromEntries(nodes.map((one) => [one.hash, one])),
  };
}
