import type { LocatedRef } from "../../version/git-version.js";
import { type Git, gitOutput } from "./git.js";

/** A tag that names a version. */
interface VersionTag {
  /** Of the tag: an annotated tag is an object of its own. */
  readonly object: string;
  readonly commit: string;
  readonly version: string;
}

/** A semantic version at the end of a tag, so `v` and any other prefix are left out; and its build metadata, which is no part of a version. */
const semantic =
  /(\d+\.\d+\.\d+(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?)(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;

/** The version that a tag names: a known one, perhaps after a `v`, or else a semantic one. */
export function versionOfTag(tag: string, known: ReadonlySet<string>): string | undefined {
  if (known.has(tag)) return tag;
  if (tag.startsWith("v") && known.has(tag.slice(1))) return tag.slice(1);
  return semantic.exec(tag)?.[1];
}

/** Lists the tags, oldest first: where two name one object, the newer one counts. */
export const listTags = (git: Git, repository: string, { signal, merged = [] }: TagQuery): Promise<string> =>
  gitOutput(git, {
    args: [
      `--git-dir=${repository}`,
      "for-each-ref",
      "--sort=creatordate",
      "--format=%(objectname) %(*objectname) %(refname:strip=2)",
      ...merged,
      "refs/tags",
    ],
    signal,
  });

interface TagQuery {
  readonly signal: AbortSignal | undefined;
  readonly merged?: readonly string[];
}

function versionTags(listing: string, known: ReadonlySet<string>): VersionTag[] {
  const tags = new Map<string, VersionTag>();
  for (const line of listing.split("\n")) {
    const [object = "", peeled = "", ...name] = line.split(" ");
    const version = versionOfTag(name.join(" "), known);
    // A Map keeps the place of the first tag of an object, and the version of the last, as Spack's does.
    if (version !== undefined) tags.set(object, { object, commit: peeled || object, version });
  }
  return [...tags.values()];
}

/**
 * The version whose tag is the nearest ancestor of a commit (the first listed of equals), and the commits since.
 *
 * A tag with another version tag between it and the commit is farther than that one, so it is never counted:
 * on a straight history one count is enough, whatever the number of tags.
 */
export async function nearestTag(
  git: Git,
  { repository, commit, known, signal }: NearestQuery,
): Promise<LocatedRef> {
  const count = async (range: string) =>
    Number(await gitOutput(git, { args: [`--git-dir=${repository}`, "rev-list", "--count", range], signal }));
  const merged = [`--merged=${commit}`];
  const ancestors = versionTags(await listTags(git, repository, { signal, merged }), known);
  let left = ancestors;
  let best: { version: string; distance: number; index: number } | undefined;
  for (let newest = left.at(-1); newest !== undefined; newest = left.at(-1)) {
    const distance = await count(`${newest.commit}..${commit}`);
    const index = ancestors.findIndex((tag) => tag.commit === newest?.commit);
    const version = ancestors[index]?.version ?? newest.version;
    if (best === undefined || distance < best.distance || (distance === best.distance && index < best.index))
      best = { version, distance, index };
    merged.push(`--no-merged=${newest.commit}`);
    left = versionTags(await listTags(git, repository, { signal, merged }), known);
  }
  if (best !== undefined) return { nearest: best.version, commitsSince: best.distance };
  const roots = await gitOutput(git, {
    args: [`--git-dir=${repository}`, "rev-list", "--all", "--max-parents=0"],
    signal,
  });
  const first = roots.trimEnd().split("\n").at(-1) ?? "";
  return { nearest: undefined, commitsSince: await count(`${first}..${commit}`) };
}

interface NearestQuery {
  readonly repository: string;
  /** 40 hex digits. */
  readonly commit: string;
  readonly known: ReadonlySet<string>;
  readonly signal: AbortSignal | undefined;
}
