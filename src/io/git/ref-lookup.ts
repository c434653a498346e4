import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Failure } from "../../base/failure.js";
import { createLimiter } from "../../base/limit.js";
import { redactUrl } from "../../base/redact.js";
import type { LocatedRef, RefLookup } from "../../version/git-version.js";
import { temporaryPathOf, writeAtomically } from "../disk/atomic.js";
import { systemCodeOf } from "../disk/disk-failure.js";
import { type Git, runGit } from "./git.js";
import { listTags, nearestTag } from "./nearest-tag.js";

export interface RefLookupOptions {
  /** The package's repository: a URL, or a path. */
  readonly url: string;
  /** Versions that a tag may name as they are, or after a `v`. */
  readonly knownVersions: readonly string[];
  /** Where clones and answers are kept. Processes may share it. */
  readonly cacheDirectory: string;
  /** Milliseconds that one git command may take, a clone included; 10 minutes if not given. */
  readonly timeout?: number | undefined;
  /** The git program. */
  readonly program?: string | undefined;
}

/**
 * Locates refs with git, by Spack's rules. Clones the repository once, and fetches only for a ref that the
 * clone does not know: a branch stays where the last fetch saw it.
 */
export function createRefLookup(options: RefLookupOptions): RefLookup {
  const { url, cacheDirectory, timeout = 600_000, program = "git" } = options;
  const git: Git = { program, url, timeout };
  const known = new Set(options.knownVersions);
  const directory = join(cacheDirectory, digestOf(url));
  const repository = join(directory, "clone.git");
  // Clone and fetch once, however many refs are asked for at the same time.
  const oneAtATime = createLimiter(1);
  return {
    async locate(ref, call) {
      const signal = call?.signal;
      const commit = await oneAtATime(async () => {
        await ensureClone(git, repository, signal);
        return demandCommit(git, { repository, ref, signal });
      });
      // The answer holds as long as the tags do, so the tags are part of its name.
      const tags = await listTags(git, repository, { signal });
      const answer = join(directory, digestOf(JSON.stringify([commit, tags, [...known]])));
      const cached = await readAnswer(answer);
      if (cached !== undefined) return cached;
      const located = await nearestTag(git, { repository, commit, known, signal });
      await writeAtomically(answer, `${located.commitsSince} ${located.nearest ?? ""}\n`);
      return located;
    },
  };
}

/** Enough of a hash that two repositories never share a directory. */
const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32);

async function readAnswer(path: string): Promise<LocatedRef | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  const [, commitsSince, nearest] = /^(\d+) (\S*)\n$/.exec(text) ?? [];
  // What is not an answer is asked again and overwritten.
  return commitsSince === undefined
    ? undefined
    : { nearest: nearest || undefined, commitsSince: Number(commitsSince) };
}

async function ensureClone(git: Git, repository: string, signal: AbortSignal | undefined): Promise<void> {
  if (existsSync(repository)) return;
  await mkdir(join(repository, ".."), { recursive: true });
  const temporary = temporaryPathOf(repository);
  try {
    // Commits and tags are all that is asked for; a server that cannot leave the files out sends them.
    const args = ["clone", "--quiet", "--bare", "--template=", "--filter=tree:0", "--", git.url, temporary];
    const { code, complaint } = await runGit(git, { args, signal });
    if (code !== 0) throw unreachable(git, `cannot clone ${redactUrl(git.url)}: ${complaint}`);
    await rename(temporary, repository);
  } catch (error) {
    // Another process was first: its clone is as good.
    if (!["ENOTEMPTY", "EEXIST"].includes(systemCodeOf(error) ?? "")) throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

const unreachable = (git: Git, message: string): Failure =>
  new Failure("unavailable", message, {
    code: "git.repository-unavailable",
    hint: "Check the URL and your access with git ls-remote.",
    subject: redactUrl(git.url),
  });

async function demandCommit(git: Git, query: CommitQuery): Promise<string> {
  const before = await commitOf(git, query);
  if (before !== undefined) return before;
  const heads = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
  const { repository, signal } = query;
  const args = [`--git-dir=${repository}`, "-c", "gc.auto=0", "fetch", "--quiet", "origin", ...heads];
  const { code, complaint } = await runGit(git, { args, signal });
  // Asked again after a fetch that failed, too: another process may have fetched the same at the same time.
  const after = await commitOf(git, query);
  if (after !== undefined) return after;
  if (code !== 0) throw unreachable(git, `cannot fetch from ${redactUrl(git.url)}: ${complaint}`);
  throw new Failure("not-found", `${redactUrl(git.url)} has no ref ${query.ref}`, {
    code: "git.ref-missing",
    hint: `Write the version yourself if it is not published: git.${query.ref}=VERSION.`,
    subject: query.ref,
  });
}

interface CommitQuery {
  readonly repository: string;
  readonly ref: string;
  readonly signal: AbortSignal | undefined;
}

/** The commit that a ref names in the clone. The ref goes in as a line of input, where it cannot be an option. */
async function commitOf(git: Git, { repository, ref, signal }: CommitQuery): Promise<string | undefined> {
  if (/[\0-\x20\x7f]/.test(ref)) return undefined;
  // A clone without files asks its origin for a commit that it lacks; where that fails, the commit is unknown here.
  const { stdout } = await runGit(git, {
    args: [`--git-dir=${repository}`, "cat-file", "--batch-check=%(objectname) %(objecttype)"],
    input: `${ref}^{commit}\n`,
    signal,
  });
  return /^([0-9a-f]{40}) commit\n$/.exec(stdout)?.[1];
}
