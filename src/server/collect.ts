import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { Digest } from "../oci/digest.js";
import { type ManifestFacts, readManifest } from "./manifest.js";
import type { RepositoryStorage, Storage, StoredManifest, Swept } from "./storage.js";

/**
 * Removes blobs that no manifest refers to, and uploads that nobody finished. A push that is under way loses
 * nothing, for what was pushed, or was said to be there, since `before` stays.
 * @param before milliseconds since 1970: longer ago than any push takes
 */
export async function collectGarbage(
  storage: Storage,
  { before, ...call }: Call & { readonly before: number },
): Promise<Swept> {
  const total = { blobs: 0, uploads: 0, bytes: 0 };
  const add = (swept: Swept): void => {
    total.blobs += swept.blobs;
    total.uploads += swept.uploads;
    total.bytes += swept.bytes;
  };
  for (const name of await storage.repositories()) {
    checkInterrupted(call);
    const repository = storage.repository(name);
    add(await repository.sweep({ keep: await referencedIn(repository), before }));
  }
  add(await storage.sweep(before));
  return total;
}

async function referencedIn(repository: RepositoryStorage): Promise<ReadonlySet<Digest>> {
  const found = new Set<Digest>();
  for (const digest of await repository.manifests()) {
    const manifest = await repository.manifest(digest);
    // Deleted since the list was taken.
    if (manifest === undefined) continue;
    for (const blob of factsOf(manifest, repository).blobs) found.add(blob);
  }
  return found;
}

/** What nobody can read may refer to anything: then nothing is removed. */
function factsOf({ bytes, mediaType, digest }: StoredManifest, { name }: RepositoryStorage): ManifestFacts {
  try {
    return readManifest(bytes, mediaType);
  } catch (cause) {
    throw new Failure(
      "corrupt",
      `cannot tell which blobs of ${name} are in use: its manifest ${digest} is broken`,
      {
        code: "server.manifest-broken",
        subject: `${name}@${digest}`,
        hint: "Find what else is broken with `stowage serve --fsck`, and delete that manifest.",
        cause,
      },
    );
  }
}
