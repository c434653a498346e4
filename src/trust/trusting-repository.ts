import type { Call } from "../base/call.js";
import { type Digest, isDigest } from "../oci/digest.js";
import { decodeImageIndex } from "../oci/manifest.js";
import { isImageIndex } from "../oci/media-types.js";
import type { Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { isCompanionTag } from "./stored-signature.js";
import type { Verifier } from "./verifier.js";

export interface TrustingOptions {
  /** `false`: what accompanies manifests does not come unchecked, as people may name an image by any tag. */
  readonly accompanied?: boolean | undefined;
  /** What is written through it is signed by whoever writes, who need not wait for others that are to sign, too. */
  readonly own?: boolean | undefined;
}

/**
 * A repository whose manifests are trusted: none comes out of it, by tag or by digest, unless the verifier agrees.
 *
 * All that a manifest names by digest (config, layers, the manifests of an index) is as good as itself. So whoever
 * reads through this cannot forget to check. What only accompanies a manifest (signatures, attestations, lists of
 * referrers) comes as it is: signatures are not signed themselves.
 */
export function trustingRepository(
  repository: Repository,
  verifier: Verifier,
  { accompanied = true, own = false }: TrustingOptions = {},
): Repository {
  const { manifests } = repository;
  const named = new Set<Digest>();
  const written = new Map<Tag, Digest>();
  const verify = async (reference: Tag | Digest, digest: Digest, call?: Call): Promise<void> => {
    if (isDigest(reference) ? named.has(digest) : accompanied && isCompanionTag(reference)) return;
    if (!isDigest(reference) && written.get(reference) === digest) return;
    await verifier.verify(repository, { digest, tag: isDigest(reference) ? undefined : reference }, call);
  };
  return {
    ...repository,
    async referrers(digest, call) {
      const found = await repository.referrers(digest, call);
      if (accompanied) for (const referrer of found) named.add(referrer.digest);
      return found;
    },
    manifests: {
      ...manifests,
      async stat(reference, call) {
        const descriptor = await manifests.stat(reference, call);
        if (descriptor !== undefined) await verify(reference, descriptor.digest, call);
        return descriptor;
      },
      async read(reference, call) {
        const manifest = await manifests.read(reference, call);
        if (manifest === undefined) return undefined;
        await verify(reference, manifest.descriptor.digest, call);
        if (isImageIndex(manifest.descriptor.mediaType))
          for (const { digest } of decodeImageIndex(manifest).manifests) named.add(digest);
        return manifest;
      },
      async write(manifest, call) {
        await manifests.write(manifest, call);
        if (own && call?.tag !== undefined) written.set(call.tag, manifest.descriptor.digest);
      },
    },
  };
}
