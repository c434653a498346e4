import { spawnSync } from "node:child_process";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { finishPackage } from "../../src/install/finish.js";
import { materialize } from "../../src/install/materialize.js";
import { installFiles } from "../../src/io/install/files.js";
import { openStore } from "../../src/io/store/disk-store.js";
import { packTask } from "../../src/io/workers/pack-task.js";
import { parseDagHash } from "../../src/spec/dag-hash.js";
import { hasShared, scratchDirectory, shared } from "../support/fixtures.js";
import { installFrom, localWorkers } from "../support/install-from.js";
import { buildInstallProgram } from "../support/install-program.js";

const greet = parseDagHash("fnjwovnnel7zse6f4ljr3y6budjlpyrd");
const layout = join(shared, "oci/cache");
const soak = process.env["STOWAGE_SOAK"] !== undefined;

test.skipIf(!hasShared)(
  "an install that is interrupted keeps what is complete, and leaves nothing else",
  async () => {
    using scratch = scratchDirectory();
    const options = {
      layout,
      root: join(scratch.path, "store"),
      cache: join(scratch.path, "cache"),
      roots: [{ hash: greet }],
    };
    const stop = new AbortController();
    let finished = 0;
    const workers = {
      ...localWorkers,
      finish: async (...args: Parameters<typeof localWorkers.finish>) => {
        await localWorkers.finish(...args);
        finished += 1;
        if (finished === 3) stop.abort();
      },
    };
    await expect(installFrom({ ...options, jobs: 1, workers, signal: stop.signal })).rejects.toMatchObject({
      kind: "interrupted",
    });
    const { records } = await (await openStore(options.root)).readDatabase();
    const recorded = [...records.values()].filter(
      ({ spec, installed }) => installed && spec.external === undefined,
    );
    expect(recorded).toHaveLength(2);
    expect(readdirSync(join(options.root, "linux-x86_64"))).toHaveLength(2);
    expect(readdirSync(join(options.root, ".stowage-staging"))).toEqual(["lock"]);
    expect((await installFrom(options)).installed).toHaveLength(4);
  },
);

test.skipIf(!hasShared)(
  "what fails is told, what needs it is not tried, and the rest is installed",
  async () => {
    using scratch = scratchDirectory();
    const workers = {
      ...localWorkers,
      finish: async (...args: Parameters<typeof localWorkers.finish>) => {
        if (args[0].prefix.includes("zlib")) throw new Error("no zlib");
        await localWorkers.finish(...args);
      },
    };
    const { installed, failed } = await installFrom({
      layout,
      root: join(scratch.path, "store"),
      cache: join(scratch.path, "cache"),
      roots: [{ hash: greet }],
      workers,
    });
    expect(installed.map(({ spec }) => spec.name).sort()).toEqual(["bzip2", "gcc-runtime", "greet-data"]);
    expect(Object.fromEntries(failed.map(({ spec, failure }) => [spec.name, String(failure)]))).toEqual({
      zlib: "Error: no zlib",
      libgreet: "Failure: a package that it needs failed: no zlib",
      greet: "Failure: a package that it needs failed: a package that it needs failed: no zlib",
    });
  },
);

const canMount = spawnSync("unshare", ["-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).status === 0;

// Pages of a tmpfs of its own, in a mount namespace of its own.
test.skipIf(!hasShared || !canMount)(
  "a disk that is full is named, leaves nothing half done, and can be filled later",
  async () => {
    using scratch = scratchDirectory();
    const program = await buildInstallProgram();
    const cache = join(scratch.path, "cache");
    const script = join(scratch.path, "fill.sh");
    // Each size in turn, all in one small disk; the last time it has room for everything.
    writeFileSync(
      script,
      `mount -t tmpfs -o size=8m tmpfs /mnt
for kb in ${Array.from({ length: soak ? 20 : 4 }, (_, i) => 16 + i * (soak ? 48 : 240)).join(" ")} 8192; do
  mount -t tmpfs -o remount,size=\${kb}k tmpfs /mnt
  ${process.execPath} ${program} ${layout} /mnt/store ${cache} ${greet} 2>&1 | tail -n +2; echo
  ls -A /mnt/store/.stowage-staging 2>/dev/null | grep -v '^lock$' | sed 's/^/LEFT /'
done`,
    );
    const { stdout } = spawnSync("unshare", ["-rm", "sh", script], { encoding: "utf8", maxBuffer: 1 << 26 });
    rmSync(program);
    expect(stdout).not.toContain("LEFT");
    const runs = stdout.trim().split(/\n+/);
    expect(runs.slice(0, -1).join("\n")).toMatch(/no space left/);
    const last = JSON.parse(runs.at(-1) ?? "");
    expect(last.failed).toEqual([]);
    expect(Object.keys(last.tree)).toHaveLength(57);
  },
  120_000,
);

test("a package of a store with its own layout is relocated by what its archive says", async () => {
  using scratch = scratchDirectory();
  const hash = "7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z";
  const old = `/somewhere/custom/zlib/v1-${hash}`;
  const directory = join(scratch.path, "package");
  mkdirSync(join(directory, "lib/pkgconfig"), { recursive: true });
  mkdirSync(join(directory, ".spack"));
  writeFileSync(join(directory, "lib/pkgconfig/zlib.pc"), `prefix=${old}\n`);
  writeFileSync(join(directory, "lib/big.txt"), `${old}/lib\n`.repeat(400_000));
  const archive = join(scratch.path, "zlib.tar.gz");
  const packages = new Map([[hash, old]]);
  const context = { signal: new AbortController().signal, advanced: () => undefined };
  const distribution = {
    sbangInstallPath: "/somewhere/custom/bin/sbang",
    buildPath: "/somewhere/custom",
    spackPrefix: "/spack",
    relativePrefix: `zlib/v1-${hash}`,
    hashToPrefix: packages,
  };
  const { digest } = await packTask({ prefix: old, directory, out: archive, distribution }, context);
  const staged = join(scratch.path, "staged");
  const prefix = `/new/linux-x86_64/zlib-1.2.13-${hash}`;
  const made = await materialize(
    {
      subject: "zlib",
      hash,
      packageHash: hash,
      digest,
      directory: staged,
      here: { sbang: "/new/bin/sbang", root: "/new", packages: new Map([[hash, prefix]]) },
      guesses: [],
      aliases: new Map(),
      caseInsensitive: false,
    },
    { files: installFiles, open: () => createReadStream(archive) },
  );
  expect(made).toMatchObject({ oldPrefix: old, problems: [], leftovers: [] });
  expect(readFileSync(join(staged, "lib/pkgconfig/zlib.pc"), "utf8")).toBe(`prefix=${prefix}\n`);
  expect(readFileSync(join(staged, "lib/big.txt"), "utf8")).toBe(`${prefix}/lib\n`.repeat(400_000));
  const permissions = { directory: 0o750, file: 0o750 };
  finishPackage(
    { directory: staged, prefix, written: made.written, metadata: new Map(), permissions },
    installFiles,
  );
  expect(installFiles.describe(join(staged, "lib")).mode & 0o7777).toBe(0o750);
  expect(installFiles.describe(join(staged, "lib/big.txt")).mode & 0o7777).toBe(0o640);
  expect(existsSync(join(staged, ".spack/install_manifest.json"))).toBe(true);
});
