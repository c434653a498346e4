import { join, resolve } from "node:path";
import { createRefLookup } from "../io/git/ref-lookup.js";
import { compareVersions } from "../version/compare.js";
import {
  type GitVersion,
  resolveGitVersion,
  type UnresolvedGitVersion,
  unresolvedFailure,
} from "../version/git-version.js";
import {
  formatVersions,
  intersects,
  parseVersionList,
  parseVersionOrRef,
  satisfies,
  type Version,
  type VersionConstraint,
} from "../version/version-list.js";
import { openContext, type StowageOptions } from "./context.js";

/** Where git refs get their version, if any stands without one. */
export interface GitOptions extends StowageOptions {
  /** URL or path of the package's git repository. */
  readonly git?: string | undefined;
  /** Versions of the package that a tag may name; semantic versions count in any case. */
  readonly known?: readonly string[] | undefined;
  /** Milliseconds for one git command. */
  readonly timeout?: number | undefined;
}

export interface VersionComparison {
  /** Both as they are compared: git refs with their version. */
  readonly a: string;
  readonly b: string;
  /** Whether `a` is older than, equal to, or newer than `b`. */
  readonly order: "<" | "=" | ">";
}

/**
 * Compares two versions as Spack does.
 * @throws Failure `version.invalid`; `version.unresolved` for a git ref without version or repository; `git.*`
 */
export async function compareVersionTexts(
  [first, second]: readonly [string, string],
  options: GitOptions = {},
): Promise<VersionComparison> {
  const given = [parseVersionOrRef(first), parseVersionOrRef(second)] as const;
  const lookup = await lookupFor(given, options);
  const [a, b] = [await resolved(given[0], lookup), await resolved(given[1], lookup)];
  const order = compareVersions(a, b);
  return { a: a.text, b: b.text, order: order < 0 ? "<" : order > 0 ? ">" : "=" };
}

export interface VersionMatch {
  /** Both in canonical form. */
  readonly versions: string;
  readonly constraint: string;
  /** Every version of the first is in the second. */
  readonly satisfies: boolean;
  /** Some version is in both. */
  readonly intersects: boolean;
}

/**
 * Whether versions (`=1.2`, `1.2:1.4`, a list) satisfy a constraint of the same kind. A text without `=` or `:`
 * that stands first is one version: `1.2` satisfies `=1.2`. Git refs without a version may be any, where no
 * repository is given.
 * @throws Failure `version.invalid`, `version.empty-range`, `git.*`
 */
export async function matchVersionTexts(
  [versions, constraint]: readonly [string, string],
  options: GitOptions = {},
): Promise<VersionMatch> {
  const one = /[=:,]/.test(versions) ? versions : `=${versions}`;
  const given = [parseVersionList(one), parseVersionList(constraint)] as const;
  const lookup = options.git === undefined ? undefined : await lookupFor(given.flat(), options);
  const known = async (items: readonly VersionConstraint[]) => {
    if (lookup === undefined) return items;
    const done: VersionConstraint[] = [];
    for (const item of items) done.push(item.kind === "unresolved" ? await lookup(item) : item);
    return done;
  };
  const [a, b] = [await known(given[0]), await known(given[1])];
  return {
    versions: formatVersions(a),
    constraint: formatVersions(b),
    satisfies: satisfies(a, b),
    intersects: intersects(a, b),
  };
}

export interface ResolvedVersion {
  /** The whole: `git.main=1.3-git.12`. */
  readonly text: string;
  /** What it is compared as: `1.3-git.12`. */
  readonly version: string;
}

/**
 * Gives a git ref the version that it stands for.
 * @throws Failure `version.invalid`; `version.unresolved` where no repository is given; `git.*`
 */
export async function resolveVersionText(text: string, options: GitOptions = {}): Promise<ResolvedVersion> {
  const given = parseVersionOrRef(text);
  const version = await resolved(given, await lookupFor([given], options));
  return { text: version.text, version: version.kind === "git" ? version.version.text : version.text };
}

type Resolve = (version: UnresolvedGitVersion) => Promise<GitVersion>;

/** Opens the repository only where something needs it. */
async function lookupFor(
  versions: readonly VersionConstraint[],
  options: GitOptions,
): Promise<Resolve | undefined> {
  const { git, known = [], timeout } = options;
  if (git === undefined || !versions.some(({ kind }) => kind === "unresolved")) return undefined;
  const { cwd, cacheRoot } = await openContext(options);
  const lookup = createRefLookup({
    // What git itself takes for a path: no colon before the first slash.
    url: /^[^/]*:/.test(git) ? git : resolve(cwd, git),
    knownVersions: known,
    cacheDirectory: join(cacheRoot, "git"),
    timeout,
  });
  return (version) => resolveGitVersion(version, lookup, options);
}

async function resolved(
  version: Version | UnresolvedGitVersion,
  lookup: Resolve | undefined,
): Promise<Version> {
  if (version.kind !== "unresolved") return version;
  if (lookup === undefined) throw unresolvedFailure(version);
  return lookup(version);
}
