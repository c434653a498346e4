import type { Call } from "../base/call.js";
import { demandManifest } from "../oci/copy.js";
import type { Digest } from "../oci/digest.js";
import { parseTag } from "../oci/reference.js";
import { type Referrer, readReferrerTree } from "../trust/referrer-tree.js";
import { openContext, type StowageOptions } from "./context.js";
import { openRegistries } from "./registries.js";

export interface ReferrersResult {
  /** `localhost:5000/cache:tools` */
  readonly name: string;
  readonly digest: Digest;
  readonly referrers: readonly Referrer[];
}

/**
 * What refers to an image, and to that in turn. It is told as it is found: nothing of it is verified.
 * @throws Failure `oci.*`
 */
export async function referrers(what: string, options: StowageOptions = {}): Promise<ReferrersResult> {
  const context = await openContext(options);
  const call: Call = { signal: context.signal, report: context.report };
  await using registries = openRegistries(context);
  const { repository, reference } = await registries.image(what, { checked: false });
  const named = reference.digest ?? reference.tag ?? parseTag("latest");
  const { digest } = (await demandManifest(repository, named, call)).descriptor;
  return {
    name: `${repository.label}${reference.digest === undefined ? ":" : "@"}${named}`,
    digest,
    referrers: await readReferrerTree(repository, digest, call),
  };
}
