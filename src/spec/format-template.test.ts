import { expect, test } from "vitest";
import { parseDagHash } from "./dag-hash.js";
import { formatWith } from "./format-template.js";
import { nodeOf } from "./graph.js";
import { decodeSpecFile } from "./spec-file.js";

const arch = { platform: "linux", platform_os: "debian12", target: "zen2" };
const annotations = { original_specfile_version: 5 };
const a = "a".repeat(32);
const b = "b".repeat(32);
const dependencies = [{ name: "gcc", hash: b, parameters: { deptypes: ["build"], virtuals: ["c"] } }];
const graph = decodeSpecFile(
  {
    spec: {
      _meta: { version: 5 },
      nodes: [
        {
          ...{ name: "zlib", version: "1.3", arch, namespace: "builtin", annotations, dependencies, hash: a },
          parameters: { build_system: "makefile", pic: true, libs: ["static", "shared"], cflags: ["-O2"] },
        },
        { name: "gcc", version: "12.2.0", arch, annotations, hash: b },
      ],
    },
  },
  "test",
);
const format = (template: string) => formatWith(template, nodeOf(graph, parseDagHash(a)), graph);

// Each as Spack 1.3 answers.
test("fields give what Spack's give", () => {
  const cases = {
    "{name}{@version}{/hash:7}": "zlib@1.3/aaaaaaa",
    "{architecture.platform}-{arch.target}/{name}-{version}-{hash:3}": "linux-zen2/zlib-1.3-aaa",
    "{@versions}{variants}": "@=1.3+pic build_system=makefile libs:=shared,static",
    "{variants.pic} {variants.pic.value} {variants.libs.value}": "+pic True ('shared', 'static')",
    "{name}{ namespace=namespace}{ os=architecture.os}": "zlib namespace=builtin os=debian12",
    "{name}{compiler_flags}": "zlib cflags=-O2",
    "{%compiler.name}{@compiler.version} {^c.name} {^gcc.compiler}": "%gcc@12.2.0 gcc none",
    "{fullname} {compilers}": "builtin.zlib  %c=gcc@12.2.0",
    "\\{{NAME}\\}": "{zlib}",
  };
  for (const [template, text] of Object.entries(cases)) expect(format(template)).toBe(text);
});

test("a template that means nothing is refused with the place in it", () => {
  for (const template of [
    "{nope}",
    "{name",
    "name}",
    "{}",
    "{@name}",
    "{^zstd.name}",
    "{variants.x}",
    "{@hash}",
  ])
    expect(() => format(template), template).toThrow(`Cannot format with "${template}"`);
});
