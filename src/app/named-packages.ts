import type { Call } from "../base/call.js";
import { ociCache, packageTags } from "../buildcache/oci-cache.js";
import { packageTag } from "../buildcache/tag.js";
import type { Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { topologicalOrder } from "../spec/graph.js";
import type { Context } from "./context.js";
import { rootReader } from "./image-making.js";
import { openIndexCopies } from "./index-copies.js";
import { createRootResolver } from "./install-roots.js";

/** Packages of a mirror, as they are asked for. */
export interface NamedPackages {
  /** `hdf5+mpi`, `/7i7xbvp`: with what they need to run. */
  readonly specs?: readonly string[] | undefined;
  readonly all?: boolean | undefined;
  /** Those alone that are named. */
  readonly only?: "package" | undefined;
}

/**
 * The tags of packages of a mirror.
 * @throws Failure `spec.no-match`, `image.package-missing`
 */
export async function namedPackages(
  repository: Repository,
  { specs = [], all = false, only }: NamedPackages,
  context: Context,
): Promise<readonly Tag[]> {
  const call: Call = { signal: context.signal, report: context.report };
  if (all) return [...(await packageTags(repository, call)).values()].sort();
  const copies = openIndexCopies(context);
  const resolver = createRootResolver([ociCache(repository)], { ...call, host: undefined, copies });
  const read = rootReader(repository, call);
  const found = new Set<Tag>();
  for (const text of specs) {
    const { spec, graph } = await read(await resolver.resolve(text));
    const closure =
      only === "package" ? [spec] : topologicalOrder(graph, { roots: [spec.hash], types: ["link", "run"] });
    for (const node of closure) if (node.external === undefined) found.add(packageTag(node));
  }
  return [...found].sort();
}
