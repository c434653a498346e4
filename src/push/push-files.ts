import { createLimiter } from "../base/limit.js";
import type { SignDocument } from "../buildcache/signed-document.js";
import type { UrlCache } from "../buildcache/url-cache.js";
import type { SpecGraph } from "../spec/concrete-spec.js";
import type { DagHash } from "../spec/dag-hash.js";
import { subgraph } from "../spec/graph.js";
import { prefixesOf } from "./prefixes.js";
import { nameOf, type PackagePush } from "./run.js";
import { type Packing, sendLayer } from "./send-layer.js";

export interface FilePushOptions extends Packing {
  /** With all packages; each as its own metadata tells it, where `graphOf` knows. */
  readonly graph: SpecGraph;
  readonly graphOf?: ((hash: DagHash) => SpecGraph | undefined) | undefined;
  /** Absolute path of a prefix. */
  readonly prefixOf: (hash: DagHash) => string | undefined;
  readonly jobs: number;
  readonly force?: boolean | undefined;
  readonly sign?: SignDocument | undefined;
}

/** Pushes packages to a mirror that is no registry: tarball, metadata, and the manifest that names them last. */
export function pushFiles(cache: UrlCache, options: FilePushOptions): PackagePush {
  const { graph, graphOf, prefixOf, jobs, force, sign, signal, report } = options;
  const limit = createLimiter(jobs);
  return (planned, task) =>
    limit(async () => {
      const { spec, tag } = planned;
      const prefixes = prefixesOf(graph, spec, prefixOf);
      const { descriptor } = await sendLayer(planned, cache.blobs, { ...options, task, prefixes });
      const one = { graph: subgraph(graphOf?.(spec.hash) ?? graph, spec.hash), layer: descriptor };
      const manifest = await cache.write(one, { force, sign, signal, report });
      report?.({ type: "finished", task, outcome: "pushed" });
      return { ...nameOf(spec), tag, manifest, layer: descriptor.digest, size: descriptor.size };
    });
}
