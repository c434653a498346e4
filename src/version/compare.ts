import { unresolvedFailure } from "./git-version.js";
import { comparePlaces } from "./order.js";
import { parseVersionOrRef, type Version } from "./version-list.js";

/**
 * Reads one version that can be compared: `1.2.3`, `develop`, `git.main=1.2`.
 * @throws Failure `version.invalid`; `version.unresolved` for a git ref without a version
 */
export function parseVersion(text: string): Version {
  const version = parseVersionOrRef(text);
  if (version.kind === "unresolved") throw unresolvedFailure(version);
  return version;
}

/** Below, equal to or above 0 as `a` is older than, equal to or newer than `b`: a total order, fit for `sort`. */
export const compareVersions: (a: Version, b: Version) => number = comparePlaces;
