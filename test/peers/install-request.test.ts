import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type InstallOptions, install } from "../../src/app/install.js";
import { readEntry } from "../../src/buildcache/entry.js";
import { packageTags } from "../../src/buildcache/oci-cache.js";
import { verifyPrefix } from "../../src/install/verify.js";
import { installFiles } from "../../src/io/install/files.js";
import { openLayout } from "../../src/io/registry/layout.js";
import { openStore } from "../../src/io/store/disk-store.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";

const scratch = scratchDirectory();
afterAll(() => scratch[Symbol.dispose]());
const at = (name: string): string => join(scratch.path, name);

const greet = "fnjwovnnel7zse6f4ljr3y6budjlpyrd";
const cache = join(shared, "oci/cache");
const options = (more: InstallOptions = {}): InstallOptions => ({
  mirror: `oci-layout:${cache}`,
  store: at("store"),
  home: scratch.path,
  cwd: scratch.path,
  env: {},
  dryRun: true,
  hostCompatible: false,
  ...more,
});

/** The cache without some of its tags. */
function cacheWithout(name: string, left: (tag: string) => boolean): string {
  const root = at(name);
  mkdirSync(root);
  cpSync(join(cache, "oci-layout"), join(root, "oci-layout"));
  symlinkSync(join(cache, "blobs"), join(root, "blobs"));
  const index = JSON.parse(readFileSync(join(cache, "index.json"), "utf8"));
  const tagOf = (manifest: { annotations: Record<string, string> }) =>
    manifest.annotations["org.opencontainers.image.ref.name"] ?? "";
  writeFileSync(
    join(root, "index.json"),
    JSON.stringify({ ...index, manifests: index.manifests.filter((one: never) => left(tagOf(one))) }),
  );
  return `oci-layout:${root}`;
}

/** A lockfile as Spack 1.x writes it, of one root. */
async function writeLock(folder: string, more: object = {}): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const repository = await openLayout(cache);
  const tag = [...(await packageTags(repository)).values()].find((one) => one.includes(greet));
  const entry = tag === undefined ? undefined : await readEntry(repository, tag);
  const file = join(folder, "spack.lock");
  writeFileSync(
    file,
    JSON.stringify({
      _meta: { "file-type": "spack-lockfile", "lockfile-version": 7, "specfile-version": 5 },
      roots: [{ hash: greet, spec: "greet", ...more }],
      concrete_specs: Object.fromEntries(
        [...(entry?.graph.nodes ?? [])].map(([hash, { node }]) => [hash, { ...node, hash }]),
      ),
    }),
  );
  return file;
}

const namesOf = ({ plan }: Awaited<ReturnType<typeof install>>) =>
  plan.packages.map(({ spec }) => spec.name).sort();
const all = ["bzip2", "gcc-runtime", "greet", "greet-data", "libgreet", "zlib"];

describe.skipIf(!hasShared)("what is asked for", () => {
  test("a spec is the best of the index, with what it needs", async () => {
    const result = await install(["greet ^zlib@1.2:"], options());
    expect(namesOf(result)).toEqual(all);
    expect(result.plan).toMatchObject({ roots: [greet], problems: [], missing: [] });
    expect(result.conflicts).toEqual([]);
  });

  test("several roots share what they need", async () => {
    const { plan } = await install(["greet", "zlib", "libgreet"], options());
    expect(plan.roots).toHaveLength(3);
    expect(plan.packages).toHaveLength(all.length);
    expect(plan.packages.filter(({ explicit }) => explicit)).toHaveLength(3);
  });

  test("what nothing matches is refused with what comes nearest", async () => {
    await expect(install(["zlib@9"], options())).rejects.toMatchObject({
      code: "spec.no-match",
      hint: expect.stringMatching(/^Nearest: zlib@1\.2\.13\/\w{7} \(@1\.2\.13 instead of @9\)\.$/),
    });
    await expect(install(["zlb"], options())).rejects.toMatchObject({ hint: "Did you mean zlib?" });
  });

  test("the first digits of a hash are enough, and no index is read for them", async () => {
    const mirror = cacheWithout("no-index", (tag) => tag !== "index.spack");
    for (const text of [`/${greet}`, `/${greet.slice(0, 5)}`, `greet-1.0-${greet}`])
      expect(namesOf(await install([text], options({ mirror })))).toEqual(all);
    await expect(install(["greet"], options({ mirror }))).rejects.toMatchObject({
      code: "buildcache.index-missing",
    });
    await expect(install(["/222222"], options({ mirror }))).rejects.toMatchObject({ code: "spec.no-match" });
  });

  test("a lockfile needs no index; groups choose among its roots", async () => {
    const mirror = cacheWithout("locked", (tag) => tag !== "index.spack");
    const lockfile = await writeLock(at("environment"), { group: "tools" });
    expect(namesOf(await install([], options({ mirror, lockfile })))).toEqual(all);
    expect(namesOf(await install([], options({ mirror, lockfile, groups: ["tools"] })))).toEqual(all);
    await expect(install([], options({ mirror, lockfile, groups: ["other"] }))).rejects.toMatchObject({
      code: "install.nothing-asked",
    });
    await expect(install([], options({ lockfile: at("nowhere.lock") }))).rejects.toMatchObject({
      code: "install.lockfile-missing",
    });
  });

  test("what may be missing is told, and what there is is planned: below what must be built, too", async () => {
    const mirror = cacheWithout("partly", (tag) => !tag.startsWith("libgreet-"));
    const lockfile = await writeLock(at("partly-locked"));
    const locked = await install([], options({ mirror, lockfile, allowMissing: true }));
    expect(namesOf(locked)).toEqual(["bzip2", "gcc-runtime", "greet-data", "zlib"]);
    expect(locked.plan.packages.filter(({ explicit }) => explicit)).toEqual([]);
    // What is built needs what it is built with; greet is there, but of no use without libgreet.
    const names = locked.missing.map((name) => name.replace(/@.*/, ""));
    expect(names).toEqual(["compiler-wrapper", "greet", "libgreet"]);

    const asked = await install(["zlib", "hdf5", "/222222"], options({ mirror, allowMissing: true }));
    expect([namesOf(asked), asked.missing]).toEqual([
      ["gcc-runtime", "zlib"],
      ["/222222", "hdf5"],
    ]);
  });

  test("an environment is its lockfile, or the specs of its spack.yaml where it has none", async () => {
    const locked = at("env-locked");
    await writeLock(locked);
    writeFileSync(join(locked, "spack.yaml"), "spack:\n  specs: [zlib]\n");
    expect(namesOf(await install([], options({ environment: locked })))).toEqual(all);

    const open = at("env-open");
    mkdirSync(open);
    writeFileSync(
      join(open, "spack.yaml"),
      "spack:\n  specs:\n  - bzip2\n  - matrix: [[zlib], ['@1.2:'], [platform=linux]]\n  - {group: all, specs: [greet-data]}\n",
    );
    const { plan } = await install([], options({ environment: open }));
    expect(plan.roots).toHaveLength(3);
    const group = await install([], options({ environment: open, groups: ["all"] }));
    expect(group.plan.roots).toHaveLength(1);
    writeFileSync(join(open, "spack.yaml"), "spack:\n  specs: [$compilers]\n");
    await expect(install([], options({ environment: open }))).rejects.toMatchObject({
      code: "install.environment-specs",
    });
  });

  test("what no mirror has is listed, with others of its name", async () => {
    const mirror = cacheWithout("holes", (tag) => !/^(libgreet|bzip2)-/.test(tag));
    const { plan } = await install([`/${greet}`], options({ mirror }));
    expect(plan.missing.map(({ name }) => name).sort()).toEqual(["bzip2", "libgreet"]);
    expect(plan.problems).toMatchObject([{ code: "install.package-missing" }]);
    await expect(install([`/${greet}`], options({ mirror, dryRun: false }))).rejects.toMatchObject({
      code: "install.package-missing",
    });
  });

  test("a mirror whose packages must be signed is refused, unless signatures shall not be checked", async () => {
    const folder = at("signed");
    mkdirSync(folder);
    writeFileSync(
      join(folder, "mirrors.yaml"),
      `mirrors:\n  s: {url: 'oci-layout:${cache}', signed: true}\n`,
    );
    const asked = options({ mirror: undefined, config: folder });
    await expect(install(["zlib"], asked)).rejects.toMatchObject({ code: "trust.policy-missing" });
    expect((await install(["zlib"], { ...asked, checkSignature: false })).unchecked).toEqual(["s"]);
  });

  test("without a cache nothing is kept", async () => {
    const result = await install(["zlib"], options({ dryRun: false, cache: false, store: at("uncached") }));
    expect(result.failed).toEqual([]);
    expect(() => readFileSync(at(".stowage/cache/oci-layout"))).toThrow("ENOENT");
  });

  test("what Spack's source_cache has is not fetched again, wherever that is", async () => {
    const config = at("source-cache");
    mkdirSync(config);
    for (const [place, fetched] of [
      [cache, false],
      ["$spack/cache", true],
    ] as const) {
      writeFileSync(join(config, "config.yaml"), `config: {source_cache: "${place}"}`);
      const home = at(`home-${fetched}`);
      const store = join(home, "store");
      const result = await install(["zlib"], options({ dryRun: false, config, home, store }));
      expect(result.failed).toEqual([]);
      expect(existsSync(join(home, ".stowage/cache/oci-layout"))).toBe(fetched);
    }
  });
});

test.skipIf(!hasShared)("a package's files belong to whom the configuration says", async () => {
  const group = execFileSync("id", ["-gn"], { encoding: "utf8" }).trim();
  const config = at("permissions");
  mkdirSync(config);
  writeFileSync(
    join(config, "packages.yaml"),
    `packages:\n  all: {permissions: {read: group, write: group, group: ${group}}}\n  zlib: {permissions: {read: user, write: user}}\n`,
  );
  const { root, failed } = await install(
    ["greet"],
    options({ config, store: at("permitted"), dryRun: false }),
  );
  expect(failed).toEqual([]);
  const { records } = await (await openStore(root)).readDatabase();
  const modesOf = (name: string): Set<string> => {
    const prefix = [...records.values()].find(({ spec }) => spec.name === name)?.path ?? "";
    const entries = readdirSync(prefix, { recursive: true, encoding: "utf8" }).map((one) =>
      join(prefix, one),
    );
    const stats = entries.map((one) => lstatSync(one)).filter((one) => !one.isSymbolicLink());
    expect(new Set(stats.map(({ gid }) => gid))).toEqual(new Set([process.getgid?.()]));
    expect(verifyPrefix(prefix, installFiles)).toMatchObject({ type: "checked", deviations: [] });
    return new Set(stats.map(({ mode }) => (mode & 0o7777).toString(8)));
  };
  expect(modesOf("greet")).toEqual(new Set(["2770", "770", "660"]));
  expect(modesOf("zlib")).toEqual(new Set(["700", "600"]));
  // In a group that nobody knows nothing is even fetched.
  writeFileSync(join(config, "packages.yaml"), "packages: {all: {permissions: {group: no-such-group}}}\n");
  await expect(
    install(["greet"], options({ config, store: at("other"), dryRun: false })),
  ).rejects.toMatchObject({
    code: "host.group-unknown",
  });
});
