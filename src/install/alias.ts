import type { Store } from "../store/store.js";

/**
 * A short path for a prefix: most of an old one is name, version and hash, so it fits there. Both end alike, so it may
 * stand where other strings share the old one's tail.
 */
export const aliasOf = ({ root }: Pick<Store, "root">, hash: string): string =>
  `${root}/.a/${hash.slice(-7)}`;

/** What was replaced by aliases cannot be relocated by any Spack again: the package says so here. */
export const aliasRecordName = ".spack/stowage.json";
