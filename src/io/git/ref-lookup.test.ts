import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Failure } from "../../base/failure.js";
import { parseVersionOrRef } from "../../version/version-list.js";
import { resolveGitVersion } from "../../version/git-version.js";
import { versionOfTag } from "./nearest-tag.js";
import { createRefLookup, type RefLookupOptions } from "./ref-lookup.js";

let scratch: string;
let repository: string;

const git = (args: readonly string[], { cwd = repository, input = "" } = {}): string =>
  execFileSync("git", args, { cwd, input, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] }).trim();

/** A commit on `branch` as fast-import reads it; `from` and `merge` are marks or branches. */
const commit = (branch: string, { mark, from = "", merge = "", date }: CommitText): string =>
  `commit refs/heads/${branch}\nmark :${mark}\ncommitter A <a@b> ${1_700_000_000 + date} +0000\ndata 2\nx\n${from && `from ${from}\n`}${merge && `merge ${merge}\n`}\n`;

interface CommitText {
  readonly mark: number;
  readonly from?: string;
  readonly merge?: string;
  readonly date: number;
}

const lightTag = (name: string, mark: number): string => `reset refs/tags/${name}\nfrom :${mark}\n\n`;
const annotatedTag = (name: string, mark: number, date: number): string =>
  `tag ${name}\nfrom :${mark}\ntagger A <a@b> ${1_700_000_000 + date} +0000\ndata 2\nt\n\n`;

function makeRepository(name: string, history: string): string {
  const path = join(scratch, name);
  execFileSync("git", ["init", "--quiet", "--bare", "--initial-branch=main", path]);
  git(["config", "uploadpack.allowFilter", "true"], { cwd: path });
  git(["fast-import", "--quiet"], { cwd: path, input: history });
  return path;
}

/**
 * main:    1 (v1.0) - 2 - 3 (tag 1.2) - 4 - 7 (merge of 6)
 * topic:                  3 - 5 (annotated release-2.0.0-rc1) - 6
 * orphan:  8 - 9
 */
const history = [
  commit("main", { mark: 1, date: 1 }),
  commit("main", { mark: 2, from: ":1", date: 2 }),
  commit("main", { mark: 3, from: ":2", date: 3 }),
  commit("main", { mark: 4, from: ":3", date: 4 }),
  commit("feature/topic", { mark: 5, from: ":3", date: 5 }),
  commit("feature/topic", { mark: 6, from: ":5", date: 6 }),
  commit("main", { mark: 7, from: ":4", merge: ":6", date: 7 }),
  commit("orphan", { mark: 8, date: 8 }),
  commit("orphan", { mark: 9, from: ":8", date: 9 }),
  lightTag("v1.0", 1),
  lightTag("1.2", 3),
  lightTag("unrelated", 4),
  annotatedTag("release-2.0.0-rc1", 5, 10),
].join("");

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "stowage-git-"));
  repository = makeRepository("origin.git", history);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let caches = 0;
const lookup = (options: Partial<RefLookupOptions> = {}) =>
  createRefLookup({
    url: `file://${repository}`,
    knownVersions: ["1.0", "1.2"],
    cacheDirectory: join(scratch, `cache-${++caches}`),
    ...options,
  });

const codeOf = async (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof Failure) return error.code;
      throw error;
    },
  );

test("a ref is located at the nearest tag among its ancestors", async () => {
  const refs = lookup();
  expect(await refs.locate("v1.0")).toEqual({ nearest: "1.0", commitsSince: 0 });
  expect(await refs.locate("1.2")).toEqual({ nearest: "1.2", commitsSince: 0 });
  expect(await refs.locate("unrelated")).toEqual({ nearest: "1.2", commitsSince: 1 });
  // A semantic version counts though nobody knows it, and whatever stands before it in the tag.
  expect(await refs.locate("feature/topic")).toEqual({ nearest: "2.0.0-rc1", commitsSince: 1 });
  expect(await refs.locate("main")).toEqual({ nearest: "2.0.0-rc1", commitsSince: 3 });
  const hash = git(["rev-parse", "main~1"]);
  expect(await refs.locate(hash)).toEqual({ nearest: "1.2", commitsSince: 1 });
});

test("without a version before it, a ref is counted from the oldest first commit", async () => {
  expect(await lookup({ knownVersions: [] }).locate("1.2")).toEqual({ nearest: undefined, commitsSince: 2 });
  expect(await lookup().locate("orphan")).toEqual({ nearest: undefined, commitsSince: 2 });
});

test("a version resolves to the nearest one and the commits since", async () => {
  const version = parseVersionOrRef("git.main");
  if (version.kind !== "unresolved") throw new Error("git.main has no version");
  expect((await resolveGitVersion(version, lookup())).text).toBe("git.main=2.0.0-rc1-git.3");
  const bound = parseVersionOrRef("git.main=1:1.9");
  if (bound.kind !== "unresolved") throw new Error("git.main=1:1.9 is a range");
  expect(await codeOf(resolveGitVersion(bound, lookup()))).toBe("version.outside-range");
});

test("tags name versions as Spack reads them", () => {
  const known = new Set(["1.2", "2024a"]);
  const of = (tag: string) => versionOfTag(tag, known);
  expect(
    ["1.2", "v1.2", "2024a", "v1.3", "1.3.4", "v1.3.4-rc1", "foo-1.3.4", "1.3.4.5", "1.3.4+b"].map(of),
  ).toEqual(["1.2", "1.2", "2024a", undefined, "1.3.4", "1.3.4-rc1", "1.3.4", "3.4.5", "1.3.4"]);
});

test("only an unknown ref is fetched for, and answers are kept", async () => {
  const origin = makeRepository("moving.git", history);
  const cacheDirectory = join(scratch, "cache-moving");
  const options = { url: `file://${origin}`, knownVersions: ["1.0", "1.2"], cacheDirectory };
  const before = await createRefLookup(options).locate("main");
  git(["fast-import", "--quiet"], {
    cwd: origin,
    input:
      commit("main", { mark: 1, from: "refs/heads/main^0", date: 20 }) +
      commit("new", { mark: 2, from: ":1", date: 21 }),
  });
  expect(await createRefLookup(options).locate("main")).toEqual(before);
  expect(await createRefLookup(options).locate("new")).toEqual({ nearest: "2.0.0-rc1", commitsSince: 5 });
  expect(await createRefLookup(options).locate("main")).toEqual({ nearest: "2.0.0-rc1", commitsSince: 4 });
  rmSync(origin, { recursive: true });
  expect(await createRefLookup(options).locate("new")).toEqual({ nearest: "2.0.0-rc1", commitsSince: 5 });
  for (const unknown of ["newer", "f".repeat(40)])
    expect(await codeOf(createRefLookup(options).locate(unknown))).toBe("git.repository-unavailable");
});

test("a half-written answer is asked for again", async () => {
  const cacheDirectory = join(scratch, "cache-broken");
  const refs = lookup({ cacheDirectory });
  await refs.locate("main");
  const [directory = ""] = readdirSync(cacheDirectory);
  const [answer = ""] = readdirSync(join(cacheDirectory, directory)).filter((name) => name !== "clone.git");
  writeFileSync(join(cacheDirectory, directory, answer), "3 2.");
  expect(await refs.locate("main")).toEqual({ nearest: "2.0.0-rc1", commitsSince: 3 });
});

test("what is missing has its name", async () => {
  expect(await codeOf(lookup().locate("no-such-ref"))).toBe("git.ref-missing");
  expect(await codeOf(lookup().locate("f".repeat(40)))).toBe("git.ref-missing");
  expect(await codeOf(lookup({ url: join(scratch, "nothing.git") }).locate("main"))).toBe(
    "git.repository-unavailable",
  );
  expect(await codeOf(lookup({ program: join(scratch, "no-git") }).locate("main"))).toBe("git.not-installed");
});

test("no ref and no URL is taken for an option or a command", async () => {
  const witness = join(scratch, "witness");
  for (const ref of [
    `--output=${witness}`,
    `$(touch ${witness})`,
    `-`,
    "",
    "main\nv1.0",
    `main;touch ${witness}`,
  ])
    expect(await codeOf(lookup().locate(ref)), ref).toBe("git.ref-missing");
  for (const url of [`--upload-pack=touch ${witness}`, `ext::touch ${witness}`])
    expect(await codeOf(lookup({ url }).locate("main")), url).toBe("git.repository-unavailable");
  expect(existsSync(witness)).toBe(false);
});

test("the caller's GIT_DIR and askpass have no say", async () => {
  const asked = join(scratch, "asked");
  const askpass = join(scratch, "askpass");
  writeFileSync(askpass, `#!/bin/sh\ntouch ${asked}\n`);
  chmodSync(askpass, 0o755);
  const disturbing = { GIT_DIR: "/nonexistent", GIT_ASKPASS: askpass, GIT_CONFIG_COUNT: "x" };
  const saved = Object.keys(disturbing).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, disturbing);
  try {
    expect(await lookup().locate("v1.0")).toEqual({ nearest: "1.0", commitsSince: 0 });
  } finally {
    for (const [name, value] of saved)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  }
  expect(existsSync(asked)).toBe(false);
});

test("a server that never answers ends in the timeout, and with the caller's signal", async () => {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the server listens on a port");
    const url = `git://127.0.0.1:${address.port}/repository.git`;
    expect(await codeOf(lookup({ url, timeout: 300 }).locate("main"))).toBe("git.timeout");
    const controller = new AbortController();
    const waiting = codeOf(lookup({ url }).locate("main", { signal: controller.signal }));
    setTimeout(() => controller.abort(), 100);
    expect(await waiting).toBe("interrupted");
  } finally {
    server.close();
  }
});

test("processes and calls that start at once share one clone", async () => {
  const cacheDirectory = join(scratch, "cache-shared");
  const module = new URL("./ref-lookup.ts", import.meta.url).href;
  const program = `
    const { createRefLookup } = await import(${JSON.stringify(module)});
    const refs = createRefLookup({ url: ${JSON.stringify(`file://${repository}`)}, knownVersions: ["1.0", "1.2"], cacheDirectory: ${JSON.stringify(cacheDirectory)} });
    const found = await Promise.all(["main", "1.2", "feature/topic", "main"].map((ref) => refs.locate(ref)));
    console.log(JSON.stringify(found));`;
  const outputs = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program]);
      const chunks: Buffer[] = [];
      child.stderr.pipe(process.stderr);
      for await (const chunk of child.stdout) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    }),
  );
  const main = { nearest: "2.0.0-rc1", commitsSince: 3 };
  const expected = [
    main,
    { nearest: "1.2", commitsSince: 0 },
    { nearest: "2.0.0-rc1", commitsSince: 1 },
    main,
  ];
  expect(outputs.map((text) => JSON.parse(text))).toEqual([expected, expected, expected]);
  const [directory = ""] = readdirSync(cacheDirectory);
  expect(readdirSync(join(cacheDirectory, directory)).filter((name) => name.includes("clone"))).toEqual([
    "clone.git",
  ]);
});

/** Spack's rule as it is told: every tag on its own, the smallest distance, the first of equals. */
function nearestOneByOne(repository: string, { ref, known }: { ref: string; known: ReadonlySet<string> }) {
  const ask = (...args: string[]) => git(args, { cwd: repository });
  const versions = new Map<string, string>();
  for (const line of ask(
    "for-each-ref",
    "--sort=creatordate",
    "--format=%(objectname) %(refname)",
    "refs/tags",
  ).split("\n")) {
    const [object = "", name = ""] = line.split(" ");
    const version = versionOfTag(name.replace("refs/tags/", ""), known);
    if (version !== undefined) versions.set(object, version);
  }
  let best: { nearest: string; commitsSince: number } | undefined;
  for (const [object, nearest] of versions) {
    if (ask("rev-list", "--count", `${ref}..${object}`) !== "0") continue;
    const commitsSince = Number(ask("rev-list", "--count", `${object}..${ref}`));
    if (best === undefined || commitsSince < best.commitsSince) best = { nearest, commitsSince };
  }
  if (best !== undefined) return best;
  const first = ask("log", "--all", "--pretty=format:%H").split("\n").at(-1);
  return { nearest: undefined, commitsSince: Number(ask("rev-list", "--count", `${first}..${ref}`)) };
}

test("on any history the answer is that of asking tag by tag", async () => {
  const random = seeded(7);
  const rounds = process.env["STOWAGE_SOAK"] === undefined ? 3 : 40;
  for (let round = 0; round < rounds; round++) {
    const size = 12;
    const lines: string[] = [];
    for (let mark = 1; mark <= size; mark++) {
      const parent = () => `:${1 + Math.floor(random() * (mark - 1))}`;
      const from = mark > 2 && random() < 0.9 ? parent() : mark > 1 ? `:${mark - 1}` : "";
      const merge = mark > 2 && random() < 0.3 ? parent() : "";
      lines.push(commit(`b${mark}`, { mark, from, merge: merge === from ? "" : merge, date: mark }));
    }
    for (let tag = 0; tag < 6; tag++) {
      const mark = 1 + Math.floor(random() * size);
      const name = ["v1.", "x-2.0.", "3."][Math.floor(random() * 3)] + String(tag);
      lines.push(
        random() < 0.5 ? lightTag(name, mark) : annotatedTag(name, mark, 100 + Math.floor(random() * 3)),
      );
    }
    const origin = makeRepository(`random-${round}.git`, lines.join(""));
    const knownVersions = ["1.0", "1.1", "1.2", "1.3", "1.4", "3.1", "3.3"];
    const refs = lookup({ url: `file://${origin}`, knownVersions });
    for (let mark = 1; mark <= size; mark += 4)
      expect(await refs.locate(`b${mark}`), `round ${round}, b${mark}`).toEqual(
        nearestOneByOne(origin, { ref: `b${mark}`, known: new Set(knownVersions) }),
      );
  }
});

/** Numbers in [0, 1) that are the same in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
