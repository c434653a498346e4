import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { Repository } from "../oci/repository.js";
import { encodeIndexCopy, openIndexCopy, type SearchableIndex } from "./index-copy.js";
import { readIndex } from "./index-update.js";
import { indexTag } from "./tag.js";

/** Copies of indices on this machine, the last of each build cache. */
export interface IndexCopies {
  /** undefined where there is none. */
  read(repository: Repository): Promise<Uint8Array | undefined>;
  write(repository: Repository, copy: Uint8Array): Promise<void>;
}

/**
 * Opens the index of a build cache to search in it: one request where it is what it was the last time.
 * @throws Failure `buildcache.index-missing`, `buildcache.index-broken`
 */
export async function openIndex(
  repository: Repository,
  { copies, ...call }: Call & { readonly copies: IndexCopies },
): Promise<SearchableIndex> {
  const subject = repository.label;
  const [stat, copy] = await Promise.all([
    repository.manifests.stat(indexTag, call),
    copies.read(repository),
  ]);
  if (stat === undefined) throw indexMissing(repository);
  const known = copy && openIndexCopy(copy, { manifest: stat.digest, subject });
  if (known !== undefined) return known;
  // Whatever the tag names by now is as good.
  const stored = await readIndex(repository, call);
  if (stored === undefined) throw indexMissing(repository);
  const { manifest } = stored;
  const fresh = encodeIndexCopy(stored.index, { manifest, subject });
  await copies.write(repository, fresh);
  const opened = openIndexCopy(fresh, { manifest, subject });
  if (opened === undefined) throw new Error(`the copy of the index of ${subject} cannot be read back`);
  return opened;
}

const indexMissing = ({ label }: Repository): Failure =>
  new Failure("not-found", `${label} has no index`, {
    code: "buildcache.index-missing",
    subject: label,
    hint: `Run \`stowage buildcache update-index\` to build one from its packages; by /HASH, packages install without.`,
  });
