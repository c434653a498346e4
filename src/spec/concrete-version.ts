import type { UnresolvedGitVersion } from "../version/git-version.js";
import { parseVersionOrRef, type Version } from "../version/version-list.js";

/** Exact, or a git ref whose version nobody wrote down. */
export type ConcreteVersion = Version | UnresolvedGitVersion;

/** Specs come by the thousand, versions recur. The bound keeps hostile input from growing it for ever. */
const known = new Map<string, ConcreteVersion>();
const kept = 50_000;

/** The version of a concrete spec: exact, or a git ref. @throws Failure `version.invalid` */
export function concreteVersion(text: string): ConcreteVersion {
  const found = known.get(text);
  if (found !== undefined) return found;
  if (known.size >= kept) known.clear();
  const version = parseVersionOrRef(text);
  known.set(text, version);
  return version;
}
