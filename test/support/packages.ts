import { utf8 } from "../../src/base/bytes.js";
import { packageTag } from "../../src/buildcache/tag.js";
import { composePackage } from "../../src/image/package-image.js";
import { contentOf } from "../../src/oci/content.js";
import { digestOf } from "../../src/oci/digest.js";
import { mediaTypes } from "../../src/oci/media-types.js";
import type { Repository } from "../../src/oci/repository.js";
import type { ConcreteSpec, SpecGraph } from "../../src/spec/concrete-spec.js";
import { topologicalOrder } from "../../src/spec/graph.js";
import { dagHashOf } from "../../src/spec/hash-check.js";
import { decodeNode } from "../../src/spec/node.js";

/** A made-up package with a right DAG hash, as Spack 1.x would write it. */
export function makePackage(
  name: string,
  version = "1.0",
  dependencies: readonly ConcreteSpec[] = [],
): ConcreteSpec {
  const node = {
    name,
    version,
    arch: { platform: "linux", platform_os: "debian12", target: "x86_64_v3" },
    namespace: "builtin",
    parameters: {
      build_system: "generic",
      cflags: [],
      cppflags: [],
      cxxflags: [],
      fflags: [],
      ldflags: [],
      ldlibs: [],
    },
    package_hash: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa====",
    ...(dependencies.length === 0
      ? {}
      : {
          dependencies: dependencies.map((on) => ({
            name: on.name,
            hash: on.hash,
            parameters: { deptypes: ["build", "link"], virtuals: [] },
          })),
        }),
    annotations: { original_specfile_version: 5 },
  };
  return decodeNode({ ...node, hash: dagHashOf(node, 5) }, { subject: name, code: "test", path: "" });
}

/** The graph of a package: itself first, then what it needs of `known`. */
export function graphOf(root: ConcreteSpec, known: readonly ConcreteSpec[]): SpecGraph {
  const all: SpecGraph = {
    roots: [root.hash],
    nodes: new Map([root, ...known].map((spec) => [spec.hash, spec])),
    format: 5,
  };
  return { ...all, nodes: new Map(topologicalOrder(all).map((spec) => [spec.hash, spec])) };
}

/** Puts a package into a repository, as a push does, with a tarball of no meaning. */
export async function storePackage(repository: Repository, graph: SpecGraph): Promise<void> {
  const [root] = graph.roots;
  const spec = root === undefined ? undefined : graph.nodes.get(root);
  if (spec === undefined) throw new Error("a graph without root");
  const tarball = contentOf(utf8(`tarball of ${spec.hash}`), mediaTypes.ociLayerGzip);
  await repository.blobs.write(tarball);
  const layer = { descriptor: tarball.descriptor, diffId: digestOf(utf8(`tar of ${spec.hash}`)) };
  const image = composePackage(graph, { layers: [layer], environment: new Map([["PATH", "/bin"]]) });
  await repository.blobs.write(contentOf(image.config.bytes, image.config.descriptor.mediaType));
  await repository.manifests.write(image.manifest, { tag: packageTag(spec) });
}
