import type { Call } from "../base/call.js";
import type { Digest } from "../oci/digest.js";
import type { Tag } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";

/** Says whether a manifest is one to be trusted. What installs, indexes, or builds on a manifest asks it first. */
export interface Verifier {
  /**
   * Returns where enough of those who are trusted have signed for `digest`.
   * @throws Failure `trust.*`, of kind `corrupt`: what is not verified is as bad as what is damaged
   */
  verify(repository: Repository, subject: Subject, call?: Call): Promise<void>;
}

export interface Subject {
  readonly digest: Digest;
  /** The tag that it was found under; undefined where it was asked for by digest. */
  readonly tag: Tag | undefined;
}
