import type { UnresolvedGitVersion } from "../version/git-version.js";
import { isDevelop, isPrerelease } from "../version/standard-version.js";
import { parseVersionOrRef, type Version } from "../version/version-list.js";

/** Exact, or a git ref whose version nobody wrote down. */
export type ConcreteVersion = Version | UnresolvedGitVersion;

export interface Recency {
  /** As written. */
  readonly text: string;
  readonly version: ConcreteVersion;
  /** 3 for a release, 2 for a prerelease, 1 for a branch such as `develop`, 0 for a git ref without a version. */
  readonly rank: 0 | 1 | 2 | 3;
}

/** Specs come by the thousand, versions recur. The bound keeps hostile input from growing it for ever. */
const known = new Map<string, Recency>();
const kept = 50_000;

/** The version of a concrete spec. @throws Failure `version.invalid` */
export const concreteVersion = (text: string): ConcreteVersion => recencyOf(text).version;

/** A version with its rank among all kinds of versions. @throws Failure `version.invalid` */
export function recencyOf(text: string): Recency {
  const found = known.get(text);
  if (found !== undefined) return found;
  if (known.size >= kept) known.clear();
  const version = parseVersionOrRef(text);
  const recency = { text, version, rank: rankOf(version) };
  known.set(text, recency);
  return recency;
}

function rankOf(version: ConcreteVersion): Recency["rank"] {
  if (version.kind === "unresolved") return 0;
  const standard = version.kind === "git" ? version.version : version;
  return isDevelop(standard) ? 1 : isPrerelease(standard) ? 2 : 3;
}
