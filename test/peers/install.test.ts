import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { verifyPrefix } from "../../src/install/verify.js";
import { installFiles } from "../../src/io/install/files.js";
import { openStore } from "../../src/io/store/disk-store.js";
import { parseDagHash } from "../../src/spec/dag-hash.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";
import { installFrom } from "../support/install-from.js";

const greet = {
  cache: "fnjwovnnel7zse6f4ljr3y6budjlpyrd",
  images: "fnjwovnnel7zse6f4ljr3y6budjlpyrd",
  "docker-images": "fnjwovnnel7zse6f4ljr3y6budjlpyrd",
  "cache-023": "kqqqo2dqlsiogtlsos2holxpx2fsom4y",
  "cache-021": "nkxi5klihcw2bwbpxy67ivm4djk6ga3e",
} as const;

const child = fileURLToPath(new URL("../support/install-child.ts", import.meta.url));
/** A child that sees an empty /opt of its own, so that fixed roots need neither root nor room. */
const inOwnOpt = (command: string) =>
  spawnSync("unshare", ["-rm", "sh", "-c", `mount -t tmpfs tmpfs /opt && ${command}`], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
const canUnshare = inOwnOpt("true").status === 0;

const expected: { roots: Record<string, object> } = hasShared
  ? JSON.parse(readFileSync(join(shared, "relocated-by-spack.json"), "utf8"))
  : { roots: {} };

// Without unprivileged mount namespaces the roots that Spack installed into cannot be had.
test.skipIf(!canUnshare).each(Object.entries(expected.roots))(
  "what Spack pushed is installed into %s byte for byte as Spack does",
  (root, tree) => {
    using scratch = scratchDirectory();
    const args = [join(shared, "oci/cache"), root, scratch.path, greet.cache].join(" ");
    const { stdout, stderr } = inOwnOpt(`${process.execPath} --import tsx ${child} ${args}`);
    expect(stderr).toBe("");
    const result = JSON.parse(stdout.replace("ready\n", ""));
    expect(result).toMatchObject({ failed: [] });
    expect(result.tree).toEqual(tree);
  },
);

/** Roots of fixtures are 25 to 32 characters long. */
const roots = { shorter: 18, "40 characters longer": 70 };

test
  .skipIf(!hasShared)
  .each(
    Object.entries(greet).flatMap(([layout, hash]) =>
      Object.entries(roots).map(([how, length]) => ({ layout, hash, how, length })),
    ),
  )("$layout is installed into a $how root, runs there, and verifies", async ({ layout, hash, length }) => {
  using scratch = scratchDirectory();
  const root = join(scratch.path, "r".repeat(Math.max(1, length - scratch.path.length - 1)));
  const result = await installFrom({
    layout: join(shared, "oci", layout),
    root,
    cache: join(scratch.path, "cache"),
    roots: [{ hash: parseDagHash(hash) }],
  });
  expect(result.failed).toEqual([]);
  const { records } = await (await openStore(root)).readDatabase();
  for (const { prefix, spec } of result.installed) {
    expect(verifyPrefix(prefix, installFiles)).toMatchObject({ type: "checked", deviations: [] });
    expect(records.get(spec.hash)).toMatchObject({
      path: prefix,
      installed: true,
      explicit: spec.name === "greet",
    });
  }
  const prefix = result.installed.find(({ spec }) => spec.name === "greet")?.prefix ?? "";
  for (const program of ["greet", "greet-sh", "greet-self"])
    expect(execFileSync(join(prefix, "bin", program), { encoding: "utf8" })).toMatch(
      /^Hello, .* zlib 1\.2\.13/,
    );
  // What it says of itself leads to it, be it by an alias.
  const said = execFileSync(join(prefix, "bin/greet"), ["--where"], { encoding: "utf8" }).trim().split("\n");
  for (const place of said) expect(readdirSync(place)).toContain(".spack");
});

test.skipIf(!hasShared)("a second install finds everything present, and writes nothing", async () => {
  using scratch = scratchDirectory();
  const options = {
    layout: join(shared, "oci/cache"),
    root: join(scratch.path, "store"),
    cache: join(scratch.path, "cache"),
    roots: [{ hash: parseDagHash(greet.cache) }],
  };
  const first = await installFrom(options);
  const verifier = () => readFileSync(join(options.root, ".spack-db/index_verifier"), "utf8");
  const before = verifier();
  const second = await installFrom(options);
  expect(second.installed).toEqual([]);
  expect(second.present).toHaveLength(first.installed.length);
  expect(verifier()).toBe(before);
});

test.skipIf(!hasShared)("two installs at once share the work, and both end with all of it", async () => {
  using scratch = scratchDirectory();
  const options = {
    layout: join(shared, "oci/cache"),
    root: join(scratch.path, "store"),
    cache: join(scratch.path, "cache"),
    roots: [{ hash: parseDagHash(greet.cache) }],
  };
  const results = await Promise.all([installFrom(options), installFrom(options)]);
  const names = results.flatMap(({ installed }) => installed.map(({ spec }) => spec.name)).sort();
  expect(names).toEqual(["bzip2", "gcc-runtime", "greet", "greet-data", "libgreet", "zlib"]);
  expect(results.flatMap(({ failed }) => failed)).toEqual([]);
});
