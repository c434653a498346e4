import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { invalid } from "./invalid.js";
import type { Place } from "./order.js";
import { anyVersion, holds, parseRange, type VersionRange } from "./range.js";
import { parseStandardVersion, type StandardVersion } from "./standard-version.js";

interface GitRef {
  /** `git.main=1.2`, or without `git.`: the text of a commit, `REF=1.2`. */
  readonly text: string;
  readonly ref: string;
  readonly hasGitPrefix: boolean;
  /** Whether the ref is a commit: 40 hex digits. */
  readonly isCommit: boolean;
}

/** A git ref, and the version that it stands for in comparisons. Just newer than that version itself. */
export interface GitVersion extends GitRef, Place {
  readonly kind: "git";
  readonly version: StandardVersion;
}

/** A git ref whose version is not known: it has no place in the order of versions. */
export interface UnresolvedGitVersion extends GitRef {
  readonly kind: "unresolved";
  /** The versions that it may stand for: all, as a rule. */
  readonly within: VersionRange;
}

/** What a repository tells of a ref. */
export interface LocatedRef {
  /** The nearest known version among the ref's ancestors; undefined where there is none. */
  readonly nearest: string | undefined;
  /** Commits since that version, or since the first commit. */
  readonly commitsSince: number;
}

/** Answers from one package's repository. */
export interface RefLookup {
  /** @throws Failure `git.ref-missing`, `git.repository-unavailable`, `git.timeout` */
  locate(ref: string, call?: Call): Promise<LocatedRef>;
}

const commit = /^[0-9a-f]{40}$/;
// A colon makes a range of it (`git.1:`), unless it stands in the range that a ref is bound to (`git.x=1:2`).
const gitText = /^(?:git\.[^:]*$|[0-9a-f]{40}$)|.=/;

export const isGitVersionText = (text: string): boolean => gitText.test(text);

/**
 * Reads `git.REF`, a commit, `git.REF=VERSION`, and `git.REF=RANGE`.
 * @throws Failure `version.invalid`
 */
export function parseGitVersion(
  text: string,
  { whole = text, from = 0 } = {},
): GitVersion | UnresolvedGitVersion {
  const hasGitPrefix = text.startsWith("git.");
  const refStart = hasGitPrefix ? 4 : 0;
  const equals = text.indexOf("=", refStart);
  const ref = text.slice(refStart, equals < 0 ? undefined : equals);
  const bad = ref.search(/[\s:,@]|[\0-\x1f\x7f]/);
  if (ref === "" || bad >= 0)
    throw invalid(
      whole,
      from + refStart + Math.max(0, bad),
      ref === "" ? "no git ref" : "a character that no git ref has",
    );
  const known: Ref = { ref, hasGitPrefix, isCommit: commit.test(ref) };
  if (equals < 0) return refWithin(known, anyVersion);
  const assigned = text.slice(equals + 1);
  const place = { whole, from: from + equals + 1 };
  if (assigned.includes("=")) throw invalid(whole, place.from + assigned.indexOf("="), "a second =");
  return assigned.includes(":")
    ? refWithin(known, parseRange(assigned, place))
    : resolved(known, parseStandardVersion(assigned, place));
}

type Ref = Omit<GitRef, "text">;

function resolved({ ref, hasGitPrefix, isCommit }: Ref, version: StandardVersion): GitVersion {
  const text = `${hasGitPrefix ? "git." : ""}${ref}=${version.text}`;
  // Just above the version's own key, below that of anything newer: 1.0-rc1 is newer than git.main=1.0-rc.
  const key = `${version.key}\x02${ref}`;
  return { kind: "git", rank: version.rank, key, text, version, ref, hasGitPrefix, isCommit };
}

/** A ref that may stand for the versions of one range. */
export function refWithin({ ref, hasGitPrefix, isCommit }: Ref, within: VersionRange): UnresolvedGitVersion {
  let text = hasGitPrefix ? `git.${ref}` : ref;
  // A range of one version is written in full: `git.main=1.2` would be resolved.
  if (within.text !== ":")
    text += `=${within.text.includes(":") ? within.text : `${within.text}:${within.text}`}`;
  return { kind: "unresolved", text, within, ref, hasGitPrefix, isCommit };
}

/**
 * Gives a git ref its version: the nearest known one, with `-git.N` where N commits came since.
 * @throws Failure `version.outside-range` where the ref was bound to a range that does not hold it; and those of the lookup
 */
export async function resolveGitVersion(
  version: UnresolvedGitVersion,
  lookup: RefLookup,
  call?: Call,
): Promise<GitVersion> {
  const { nearest = "0", commitsSince } = await lookup.locate(version.ref, call);
  const found = parseStandardVersion(commitsSince > 0 ? `${nearest}-git.${commitsSince}` : nearest);
  if (!holds(version.within, found))
    throw new Failure(
      "not-found",
      `git ref ${version.ref} is version ${found.text}, not in ${version.within.text}`,
      {
        code: "version.outside-range",
        subject: version.text,
      },
    );
  return resolved(version, found);
}

/** The failure for a git ref that is to be compared and has no version. */
export const unresolvedFailure = ({ ref, text }: UnresolvedGitVersion): Failure =>
  new Failure("usage", `git ref ${ref} has no version to compare by`, {
    code: "version.unresolved",
    hint: `Write ${text}=VERSION, or give the repository with --git.`,
    subject: text,
  });
