import { isTag, parseTag, type Tag, tagOf } from "../oci/reference.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { type DagHash, isDagHash } from "../spec/dag-hash.js";

/** Every tag that Spack's build cache owns ends so; others in the repository are none of our business. */
const suffix = ".spack";

/** The tag of the index (Spack's `oci.image.default_index_tag`). */
export const indexTag: Tag = parseTag(`index${suffix}`);

/** The tag under which a package is found: `zlib-1.2.13-7i7x….spack`. */
export const packageTag = (spec: Pick<ConcreteSpec, "name" | "version" | "hash">): Tag =>
  tagOf(`${spec.name}-${spec.version}-${spec.hash}${suffix}`);

/** The DAG hash that a package's tag ends in; undefined for any other tag. */
export function hashOfTag(tag: string): DagHash | undefined {
  if (!isTag(tag) || tag === indexTag || !tag.endsWith(suffix)) return undefined;
  const hash = tag.slice(0, -suffix.length).slice(-32);
  return isDagHash(hash) && tag.at(-suffix.length - 33) === "-" ? hash : undefined;
}

/** `zlib-1.2.13-7i7x…` of a name that a build cache tells: a tag, or the path of a file. */
export const packageStem = (name: string): string =>
  name.replace(/^.*\//, "").replace(/(?:\.spack|\.spec\.manifest\.json|\.spec\.json(?:\.sig)?)$/, "");
