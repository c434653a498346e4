import type { Call } from "../base/call.js";
import type { Content, Descriptor } from "../oci/descriptor.js";

/** Where layers are kept between installs: `blobs/sha256/…`, as in an OCI image layout. */
export interface BlobCache {
  /**
   * The path of a file with this content, fetched if it is not there. What was there already has the right size;
   * whoever reads it verifies the rest.
   * @throws Failure `store.no-space`, and what `content.open` throws
   */
  obtain(
    content: Content,
    call?: Call & { readonly advanced?: ((bytes: number) => void) | undefined },
  ): Promise<CachedBlob>;
  /** The path of a file with this content (of its size, that is) where there is one. */
  find(descriptor: Descriptor): Promise<string | undefined>;
  /** Forgets a blob that turned out to be damaged. */
  forget(content: Content): Promise<void>;
}

export interface CachedBlob {
  readonly path: string;
  /** Whether it was there already. */
  readonly cached: boolean;
}
