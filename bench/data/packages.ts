import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { utf8 } from "../../src/base/bytes.js";
import { type BuildcacheIndex, encodeIndex } from "../../src/buildcache/index-document.js";
import { indexTag, packageTag } from "../../src/buildcache/tag.js";
import { composePackage } from "../../src/image/package-image.js";
import { type Digest, digestOf, hexOf } from "../../src/oci/digest.js";
import { encodeManifest } from "../../src/oci/manifest.js";
import { mediaTypes } from "../../src/oci/media-types.js";
import type { ConcreteSpec, SpecGraph } from "../../src/spec/concrete-spec.js";
import { topologicalOrder } from "../../src/spec/graph.js";
import { dagHashOf } from "../../src/spec/hash-check.js";
import { decodeNode } from "../../src/spec/node.js";
import { seeded } from "../harness.js";

/** Packages of one stack: what needs what. The last of them has a closure of about all of them. */
const stackSize = 25;

/** Names that there are; a stack is one build of 25 of them. */
const names = 4000;

/**
 * Made-up packages with right DAG hashes, as a mirror of that size may have them: many builds of stacks of 25, each of
 * which needs up to 6 of those below it.
 */
export function makePackages(count: number): readonly ConcreteSpec[] {
  const random = seeded(count);
  const below = (limit: number): number => Math.floor(random() * limit);
  const targets = ["x86_64", "x86_64_v3", "zen2", "zen3", "skylake"];
  const packages: ConcreteSpec[] = [];
  for (let i = 0; i < count; i += 1) {
    const stack = Math.floor(i / stackSize);
    const needed = new Set(Array.from({ length: 6 }, () => below(i % stackSize)));
    const dependencies = i % stackSize === 0 ? [] : [...needed].sort((a, b) => a - b);
    const node = {
      name: `package-${i % names}`,
      version: `${1 + Math.floor(i / names)}.${below(10)}.${below(20)}`,
      arch: { platform: "linux", platform_os: "debian12", target: targets[stack % targets.length] },
      namespace: "builtin",
      parameters: {
        build_system: "cmake",
        build_type: "Release",
        generator: "ninja",
        ipo: false,
        mpi: random() < 0.5,
        openmp: random() < 0.5,
        pic: true,
        shared: true,
        languages: ["c", "c++"],
        cflags: [],
        cppflags: [],
        cxxflags: [],
        fflags: [],
        ldflags: [],
        ldlibs: [],
      },
      package_hash: "n3ldscne7xdusikzhqmo2m4vrlx5buemyoi6uyul7rh3rhygukla====",
      ...(dependencies.length === 0
        ? {}
        : { dependencies: dependencies.map((at) => edgeTo(packages[stack * stackSize + at])) }),
      annotations: { original_specfile_version: 5 },
    };
    const place = { subject: node.name, code: "bench", path: "" };
    packages.push(decodeNode({ ...node, hash: dagHashOf(node, 5) }, place));
  }
  return packages;
}

function edgeTo(on: ConcreteSpec | undefined) {
  if (on === undefined) throw new Error("a dependency is made before what needs it");
  return { name: on.name, hash: on.hash, parameters: { deptypes: ["build", "link"], virtuals: [] } };
}

export function indexOf(packages: readonly ConcreteSpec[]): Uint8Array {
  const nodes: BuildcacheIndex["nodes"] = new Map(packages.map(({ hash, node }) => [hash, node]));
  return encodeIndex({ nodes, present: new Set(nodes.keys()) });
}

/** A repository in the files of docker-registry: what pushing does in minutes, written in seconds. */
export interface RepositoryFiles {
  writeBlob(bytes: Uint8Array): Digest;
  writeManifest(bytes: Uint8Array): Digest;
  /** The manifest need not be there: listing tags does not look. */
  setTag(tag: string, manifest: Digest): void;
}

/** `root` is of a registry that startDockerRegistry started; layout: docker-registry's `registry/storage/paths.go`. */
export function openRepositoryFiles(root: string, name: string): RepositoryFiles {
  const storage = join(root, "data/docker/registry/v2");
  const repository = join(storage, "repositories", name);
  const made = new Set<string>();
  const write = (path: string, bytes: string | Uint8Array): void => {
    const folder = dirname(path);
    if (!made.has(folder)) mkdirSync(folder, { recursive: true });
    made.add(folder);
    writeFileSync(path, bytes);
  };
  const keep = (folder: string, bytes: Uint8Array): Digest => {
    const digest = digestOf(bytes);
    const hex = hexOf(digest);
    write(join(storage, "blobs/sha256", hex.slice(0, 2), hex, "data"), bytes);
    write(join(repository, folder, "sha256", hex, "link"), digest);
    return digest;
  };
  return {
    writeBlob: (bytes) => keep("_layers", bytes),
    writeManifest: (bytes) => keep("_manifests/revisions", bytes),
    setTag(tag, manifest) {
      write(join(repository, "_manifests/tags", tag, "current/link"), manifest);
    },
  };
}

/** Writes a package as a push does, with a layer of no meaning; gives its config. */
export function writePackage(files: RepositoryFiles, graph: SpecGraph, root: ConcreteSpec): Digest {
  const closure = [...topologicalOrder(graph, { roots: [root.hash] })];
  const layers = closure.toReversed().map(({ hash }) => {
    const bytes = utf8(`layer of ${hash}`);
    if (hash === root.hash) files.writeBlob(bytes);
    const descriptor = {
      mediaType: mediaTypes.ociLayerGzip,
      digest: digestOf(bytes),
      size: bytes.byteLength,
    };
    return { descriptor, diffId: digestOf(utf8(`tar of ${hash}`)) };
  });
  const own: SpecGraph = {
    roots: [root.hash],
    nodes: new Map(closure.map((spec) => [spec.hash, spec])),
    format: 5,
  };
  const { config, manifest } = composePackage(own, { layers, environment: new Map([["PATH", "/bin"]]) });
  files.writeBlob(config.bytes);
  files.writeManifest(manifest.bytes);
  files.setTag(packageTag(root), manifest.descriptor.digest);
  return config.descriptor.digest;
}

/** Writes an index; gives the digests of its manifest and of its bytes. */
export function writeIndex(files: RepositoryFiles, bytes: Uint8Array): { manifest: Digest; layer: Digest } {
  const layer = files.writeBlob(bytes);
  const config = files.writeBlob(utf8("{}"));
  const manifest = encodeManifest({
    mediaType: mediaTypes.ociManifest,
    schemaVersion: 2,
    config: { mediaType: mediaTypes.ociConfig, digest: config, size: 2 },
    layers: [{ mediaType: mediaTypes.ociLayerGzip, digest: layer, size: bytes.byteLength }],
  });
  const digest = files.writeManifest(manifest.bytes);
  files.setTag(indexTag, digest);
  return { manifest: digest, layer };
}
