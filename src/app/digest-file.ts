import type { Call } from "../base/call.js";
import { mapLimited } from "../base/limit.js";
import { writeAtomically } from "../io/disk/atomic.js";
import type { Repository } from "../oci/repository.js";
import type { PushResult } from "../push/run.js";

/** Requests for digests at once. */
const requests = 8;

/**
 * Writes a line of tag and manifest digest for each package that the mirror has now, in the order of the plan.
 * What was there before is asked for: one request each.
 */
export async function writeDigestFile(
  path: string,
  { pushed, present }: Pick<PushResult, "pushed" | "present">,
  { repository, ...call }: Call & { readonly repository: Repository },
): Promise<void> {
  const known = pushed.map(({ tag, manifest }) => `${tag} ${manifest}\n`);
  const asked = await mapLimited(present, requests, async ({ tag }) => {
    const found = await repository.manifests.stat(tag, call);
    // Deleted since the tags were listed: then the mirror does not have it.
    return found === undefined ? "" : `${tag} ${found.digest}\n`;
  });
  await writeAtomically(path, [...asked, ...known].join(""));
}
