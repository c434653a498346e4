import { parseVersionOrRef, type VersionConstraint } from "../version/version-list.js";

/** Specs come by the thousand, versions recur. The bound keeps hostile input from growing it for ever. */
const known = new Map<string, VersionConstraint>();
const kept = 50_000;

/** The version of a concrete spec: exact, or a git ref. @throws Failure `version.invalid` */
export function concreteVersion(text: string): VersionConstraint {
  const found = known.get(text);
  if (found !== undefined) return found;
  if (known.size >= kept) known.clear();
  const version = parseVersionOrRef(text);
  known.set(text, version);
  return version;
}
