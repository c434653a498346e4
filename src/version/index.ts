/** `stowage/version`: Spack's versions. Runs anywhere, needs nothing. */
export { Failure } from "../base/failure.js";
export { compareVersions, parseVersion } from "./compare.js";
export {
  type GitVersion,
  type LocatedRef,
  parseGitVersion,
  type RefLookup,
  resolveGitVersion,
  type UnresolvedGitVersion,
} from "./git-version.js";
export { anyVersion, type VersionRange } from "./range.js";
export {
  dashed,
  dotted,
  isDevelop,
  isPrerelease,
  joined,
  parseStandardVersion,
  type Segments,
  segmentsOf,
  type StandardVersion,
  underscored,
  upTo,
} from "./standard-version.js";
export {
  anyVersions,
  exactVersion,
  formatVersions,
  intersection,
  intersects,
  parseVersionList,
  parseVersionOrRef,
  satisfies,
  union,
  type Version,
  type VersionConstraint,
  type VersionList,
} from "./version-list.js";
