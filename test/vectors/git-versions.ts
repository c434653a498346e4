import { Failure } from "../../src/base/failure.js";
import { compareVersions } from "../../src/version/compare.js";
import { type LocatedRef, type RefLookup, resolveGitVersion } from "../../src/version/git-version.js";
import {
  intersects,
  parseVersionList,
  parseVersionOrRef,
  satisfies,
  type Version,
  type VersionList,
} from "../../src/version/version-list.js";
import { type Answer, textField, type VectorKind } from "./kind.js";

/** Lines of git-versions.jsonl: the first holds what the repository answers. */
export const gitVersions: VectorKind = {
  name: "git-versions",
  questions: ["v", "a", "b", "table"],
  accepts: (line) =>
    line["op"] === "lookup-table" ||
    (line["op"] === "parse" && "isGit" in line) ||
    (line["op"] === "cmp" && "lt" in line) ||
    (line["op"] === "satisfies" && "a" in line),
  open: () => {
    let lookup = lookupIn({});
    return async (line) => {
      if (line["op"] === "lookup-table") {
        lookup = lookupIn(line["table"]);
        return undefined;
      }
      if (line["op"] === "parse") return parsed(await resolve(textField(line, "v"), lookup));
      const a = await resolve(textField(line, "a"), lookup);
      if (line["op"] === "satisfies") return related(a, await resolveList(textField(line, "b"), lookup));
      return ordered(compareVersions(a, await resolve(textField(line, "b"), lookup)));
    };
  },
};

const parsed = (version: Version): Answer =>
  version.kind === "standard"
    ? { str: version.text, isGit: false, isCommit: null, ref: null, refVersion: null }
    : {
        str: version.text,
        isGit: true,
        isCommit: version.isCommit,
        ref: version.ref,
        refVersion: version.version.text,
      };

const related = (a: Version, b: VersionList): Answer => ({
  r: satisfies(a, b),
  intersects: intersects(a, b),
});

const ordered = (order: number): Answer => ({
  lt: order < 0,
  gt: order > 0,
  eq: order === 0,
  le: order <= 0,
  ge: order >= 0,
});

async function resolve(text: string, lookup: RefLookup): Promise<Version> {
  const version = parseVersionOrRef(text);
  return version.kind === "unresolved" ? resolveGitVersion(version, lookup) : version;
}

const resolveList = (text: string, lookup: RefLookup): Promise<VersionList> =>
  Promise.all(
    parseVersionList(text).map((item) =>
      item.kind === "unresolved" ? resolveGitVersion(item, lookup) : item,
    ),
  );

/** Answers from the table of the file. */
function lookupIn(table: unknown): RefLookup {
  const refs = new Map(Object.entries(Object(table)));
  return {
    async locate(ref) {
      const entry: unknown = refs.get(ref);
      if (!isEntry(entry)) throw new Failure("not-found", `No ref ${ref}`, { code: "git.ref-missing" });
      return { nearest: entry.nearest ?? undefined, commitsSince: entry.commitsSince } satisfies LocatedRef;
    },
  };
}

const isEntry = (entry: unknown): entry is { nearest: string | null; commitsSince: number } =>
  typeof entry === "object" && entry !== null && "nearest" in entry && "commitsSince" in entry;
