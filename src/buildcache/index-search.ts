import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { BuildCache } from "./build-cache.js";
import { encodeIndexCopy, openIndexCopy, type SearchableIndex } from "./index-copy.js";

/** Copies of indices on this machine, the last of each build cache. */
export interface IndexCopies {
  /** undefined where there is none. */
  read(cache: BuildCache): Promise<Uint8Array | undefined>;
  write(cache: BuildCache, copy: Uint8Array): Promise<void>;
}

/**
 * Opens the index of a build cache to search in it: one request where it is what it was the last time.
 * @throws Failure `buildcache.index-missing`, `buildcache.index-broken`
 */
export async function openIndex(
  cache: BuildCache,
  { copies, ...call }: Call & { readonly copies: IndexCopies },
): Promise<SearchableIndex> {
  const subject = cache.label;
  const [state, copy] = await Promise.all([cache.index.state(call), copies.read(cache)]);
  if (state === undefined) throw indexMissing(cache);
  const known = copy && openIndexCopy(copy, { state, subject });
  if (known !== undefined) return known;
  // Whatever it is by now is as good.
  const stored = await cache.index.read(call);
  if (stored === undefined) throw indexMissing(cache);
  const { state: now } = stored;
  const fresh = encodeIndexCopy(stored.index, { state: now, subject });
  await copies.write(cache, fresh);
  const opened = openIndexCopy(fresh, { state: now, subject });
  if (opened === undefined) throw new Error(`the copy of the index of ${subject} cannot be read back`);
  return opened;
}

const indexMissing = ({ label }: BuildCache): Failure =>
  new Failure("not-found", `${label} has no index`, {
    code: "buildcache.index-missing",
    subject: label,
    hint: `Run \`stowage buildcache update-index\` to build one from its packages; by /HASH, packages install without.`,
  });
