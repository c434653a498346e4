import { expect, test } from "vitest";
import { indexOf, manyPackages, storeIndex } from "../../test/support/large-index.js";
import { utf8 } from "../base/bytes.js";
import { digestOf } from "../oci/digest.js";
import { createMemoryRegistry } from "../oci/memory.js";
import { parseRepositoryName } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import { formatCompilers } from "../spec/format-concrete.js";
import { sortSpecs } from "../spec/sort.js";
import { encodeIndexCopy, openIndexCopy } from "./index-copy.js";
import { decodeIndex, encodeIndex, graphOfIndex } from "./index-document.js";
import { ociCache } from "./oci-cache.js";
import { type IndexCopies, openIndex } from "./index-search.js";
import { indexTag } from "./tag.js";

const subject = "cache";
const state = digestOf(utf8("an index"));

/** Copies in memory, and a repository that tells what it was asked. */
function watched(repository: Repository) {
  const asked: string[] = [];
  let kept: Uint8Array | undefined;
  const copies: IndexCopies = {
    read: async () => kept,
    write: async (_, copy) => {
      kept = copy;
    },
  };
  const watching: Repository = {
    ...repository,
    blobs: {
      ...repository.blobs,
      read: (descriptor, call) => {
        asked.push("read blob");
        return repository.blobs.read(descriptor, call);
      },
    },
    manifests: {
      ...repository.manifests,
      stat: (reference, call) => {
        asked.push(`stat ${reference}`);
        return repository.manifests.stat(reference, call);
      },
      read: (reference, call) => {
        asked.push(`read ${reference}`);
        return repository.manifests.read(reference, call);
      },
    },
  };
  return { asked, copies, repository: watching, damage: () => void kept?.fill(0x20, 300, 310) };
}

const openRepository = (): Repository => createMemoryRegistry().repository(parseRepositoryName("cache"));

/** A spec as a plain value, its getters read. */
const plain = (spec: ConcreteSpec) => ({
  name: spec.name,
  version: spec.version,
  hash: spec.hash,
  namespace: spec.namespace,
  platform: spec.platform,
  os: spec.os,
  target: spec.target,
  compiler: spec.compiler,
  parameters: spec.parameters,
  external: spec.external,
  dependencies: spec.dependencies,
  buildHash: spec.buildHash,
  node: spec.node,
});

test("a copy has the specs of the index, of old formats and with edges of every kind too", () => {
  const arch = { platform: "linux", platform_os: "debian12", target: "x86_64" };
  const [gcc, old, spliced] = ["g", "o", "s"].map((letter) => letter.repeat(32));
  const nodes = {
    [gcc as string]: { name: "gcc", version: "12.2.0", arch, external: { path: "/usr" }, hash: gcc },
    [old as string]: {
      name: "old",
      version: "git.main=1.2",
      arch: { ...arch, target: { name: "haswell", features: [] } },
      annotations: { original_specfile_version: 4, compiler: "gcc@=10.2.1" },
      hash: old,
    },
    [spliced as string]: {
      name: "spliced",
      version: "1",
      arch,
      namespace: "builtin",
      parameters: { patches: ["ä"], cflags: [] },
      dependencies: [
        { name: "gcc", hash: gcc, parameters: { deptypes: ["build"], virtuals: ["c", "cxx"], direct: true } },
        { name: "old", hash: old, parameters: { deptypes: ["build", "link", "run"], virtuals: [] } },
        { name: "elsewhere", hash: "e".repeat(32), parameters: { deptypes: ["test"], virtuals: [] } },
      ],
      build_spec: { name: "spliced", hash: old },
      hash: spliced,
    },
  };
  const installs = Object.fromEntries(
    Object.entries(nodes).map(([hash, spec]) => [hash, { spec, ref_count: 0, in_buildcache: hash !== gcc }]),
  );
  const document = JSON.stringify({ database: { version: "8", installs } });
  const index = decodeIndex(new TextEncoder().encode(document), { subject });
  const opened = openIndexCopy(encodeIndexCopy(index, { state, subject }), { state, subject });
  const wanted = graphOfIndex(index, { subject });
  expect([...(opened?.graph.nodes.values() ?? [])].map(plain)).toEqual([...wanted.nodes.values()].map(plain));
  expect(opened?.present).toEqual(index.present);
  const compilersIn = (graph: SpecGraph) =>
    [...graph.nodes.values()].map((spec) => formatCompilers(spec, graph));
  expect(opened && compilersIn(opened.graph)).toEqual(["", "%gcc@=10.2.1", "%c,cxx=gcc@12.2.0"]);
  expect(compilersIn(wanted)).toEqual(["", "%gcc@=10.2.1", "%c,cxx=gcc@12.2.0"]);
});

test("a copy is in the order of lists, whatever order the index has", () => {
  const index = indexOf(manyPackages(60).toReversed());
  const opened = openIndexCopy(encodeIndexCopy(index, { state, subject }), { state, subject });
  const wanted = sortSpecs([...graphOfIndex(index, { subject }).nodes.values()], (spec) => spec);
  expect([...(opened?.graph.nodes.values() ?? [])].map(plain)).toEqual(wanted.map(plain));
});

test("a compiler that the index lacks has a name still", () => {
  const edge = { name: "gcc", hash: "g".repeat(32), parameters: { deptypes: ["build"], virtuals: ["c"] } };
  const arch = { platform: "linux", platform_os: "debian12", target: "x86_64" };
  const spec = { name: "zlib", version: "1.3", arch, dependencies: [edge], hash: "z".repeat(32) };
  const installs = { [spec.hash]: { spec, ref_count: 0, in_buildcache: true } };
  const index = decodeIndex(utf8(JSON.stringify({ database: { version: "8", installs } })), { subject });
  const opened = openIndexCopy(encodeIndexCopy(index, { state, subject }), { state, subject });
  expect([...(opened?.graph.nodes.values() ?? [])].map(({ compilers }) => compilers)).toEqual(["%c=gcc"]);
});

test("a copy of another index, or one that is not whole, is none", () => {
  const copy = encodeIndexCopy(indexOf(manyPackages(5)), { state, subject });
  expect(openIndexCopy(copy, { state, subject })?.present.size).toBe(5);
  const other = digestOf(utf8("another"));
  expect(openIndexCopy(copy, { state: other, subject })).toBeUndefined();
  for (const length of [0, 10, 200, copy.byteLength - 1])
    expect(openIndexCopy(copy.subarray(0, length), { state, subject })).toBeUndefined();
});

test("an index that did not change costs one request, and one that did is read anew", async () => {
  const { repository, asked, copies, damage } = watched(openRepository());
  const packages = manyPackages(40);
  await storeIndex(repository, encodeIndex(indexOf(packages.slice(0, 20))));
  expect((await openIndex(ociCache(repository), { copies })).present.size).toBe(20);
  asked.length = 0;
  expect((await openIndex(ociCache(repository), { copies })).present.size).toBe(20);
  expect(asked).toEqual([`stat ${indexTag}`]);
  await storeIndex(repository, encodeIndex(indexOf(packages)));
  expect((await openIndex(ociCache(repository), { copies })).present.size).toBe(40);
  damage();
  expect((await openIndex(ociCache(repository), { copies })).present.size).toBe(40);
});

test("a build cache without index is named", async () => {
  const { repository, copies } = watched(openRepository());
  await expect(openIndex(ociCache(repository), { copies })).rejects.toMatchObject({
    code: "buildcache.index-missing",
    subject: "memory/cache",
  });
});
