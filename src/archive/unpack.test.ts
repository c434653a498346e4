import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { endMark, entryBytes, type ForgedEntry } from "../../test/support/archives.js";
import { systemFiles } from "../io/system/files.js";
import { binaryDistributionName, encodeBinaryDistribution } from "./binary-distribution.js";
import { gunzip } from "./gunzip.js";
import { packPrefix } from "./pack.js";
import { createUnpacker, type UnpackOptions } from "./unpack.js";
import { createTreeWriter } from "./write-tree.js";

const scratch = mkdtempSync(join(tmpdir(), "stowage-unpack-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const root = "opt/store/linux-x86_64/p-1-abc";

const metadata = Buffer.from(
  encodeBinaryDistribution({
    sbangInstallPath: "/opt/store/bin/sbang",
    buildPath: "/opt/store",
    spackPrefix: "/opt/spack",
    relativePrefix: "linux-x86_64/p-1-abc",
    hardlinksDeduped: true,
    hashToPrefix: new Map(),
    relocateBinaries: [],
    relocateLinks: [],
    relocateTextFiles: [],
  }),
).toString();

const directory = (name: string): ForgedEntry => ({ type: "directory", name: `${name}/`, mode: 0o755 });
const file = (name: string, more: ForgedEntry = {}): ForgedEntry => ({
  name: `${root}/${name}`,
  content: "x",
  ...more,
});
const symlink = (name: string, linkName: string): ForgedEntry => ({
  type: "symlink",
  name: `${root}/${name}`,
  linkName,
});
const hardlink = (name: string, linkName: string): ForgedEntry => ({
  type: "hardlink",
  name: `${root}/${name}`,
  linkName,
});
const parents = ["opt", "opt/store", "opt/store/linux-x86_64", root].map(directory);
const last = file(".spack/binary_distribution", { content: metadata });
/** An archive like Spack's, with these entries after the prefix's own. */
const archiveWith = (...entries: ForgedEntry[]): Buffer =>
  Buffer.concat([...[...parents, ...entries, last].map(entryBytes), endMark]);

/** What the sink is told, one line a call. */
function unpack(archive: Buffer, options: Partial<UnpackOptions> & { chunk?: number } = {}): string[] {
  const calls: string[] = [];
  const unpacker = createUnpacker(
    {
      directory: (path) => void calls.push(`${path}/`),
      symlink: (path, target) => void calls.push(`${path} -> ${target}`),
      hardlink: (path, existing) => void calls.push(`${path} = ${existing}`),
      file: (path, { size, executable }) => {
        let content = "";
        return {
          write: (chunk) => {
            content += Buffer.from(chunk).toString("latin1");
          },
          end: () =>
            void calls.push(
              `${path}${executable ? "*" : ""} ${size} ${content === metadata ? "metadata" : content}`,
            ),
        };
      },
    },
    { subject: "p.tar", ...options },
  );
  const chunk = options.chunk ?? archive.byteLength;
  // One buffer for all chunks, as a chunk is only valid during the call.
  const buffer = Buffer.alloc(chunk);
  for (let at = 0; at < archive.byteLength; at += chunk)
    unpacker.push(buffer.subarray(0, archive.copy(buffer, 0, at)));
  unpacker.end();
  return calls;
}

const metadataCalls = [".spack/", `.spack/binary_distribution ${metadata.length} metadata`];

test("createUnpacker() tells the sink each entry, below the prefix, wherever the chunks end", () => {
  const archive = archiveWith(
    file("a"),
    file("run", { mode: 0o755, content: "#!" }),
    hardlink("b", `${root}/a`),
    symlink("abs", "/anywhere"),
    symlink("lib", "../q-1-xyz/lib"),
    directory(`${root}/empty`),
    file(`deep/${"n".repeat(120)}`, { content: "" }),
    file("ümläut-\udcff"),
  );
  const calls = [
    "/",
    "a 1 x",
    "run* 2 #!",
    "b = a",
    "abs -> /anywhere",
    "lib -> ../q-1-xyz/lib",
    "empty/",
    "deep/",
    `deep/${"n".repeat(120)} 0 `,
    "ümläut-\udcff 1 x",
    ...metadataCalls,
  ];
  for (const chunk of [archive.byteLength, 1, 511, 512, 700])
    expect(unpack(archive, { chunk })).toEqual(calls);
});

test("createUnpacker() finds the prefix where no parents are, by `.spack`, by hash, and by the first file", () => {
  const entries = [file(".spack/spec.json"), last].map(entryBytes);
  expect(unpack(Buffer.concat([...entries, endMark]))).toContain(".spack/spec.json 1 x");
  const odd = archiveWith(directory(`${root}/+x`), file("+x/a"));
  expect(unpack(odd, { hash: "abc" })).toContain("+x/a 1 x");
  expect(unpack(archiveWith(file("README")))).toContain("README 1 x");
});

test("createUnpacker() reads GNU long names, ustar prefixes and V7 headers", () => {
  const gnu = { type: "file", mode: 0o644, patch: { 156: "L" } } as const;
  const long = `${root}/${"g".repeat(200)}`;
  expect(unpack(archiveWith({ ...gnu, name: "././@LongLink", content: `${long}\0` }, file("cut")))).toContain(
    `${"g".repeat(200)} 1 x`,
  );
  expect(unpack(archiveWith(file("u", { name: "u", patch: { 345: root } })))).toContain("u 1 x");
  expect(unpack(archiveWith(file("v7", { patch: { 156: "\0", 257: "\0".repeat(8) } })))).toContain("v7 1 x");
});

const deep = Array.from({ length: 200 }, () => "d").join("/");

test.each<[string, ForgedEntry[], Partial<UnpackOptions>?]>([
  ["unsafe-name", [{ name: "/etc/passwd", content: "x" }]],
  ["unsafe-name", [file("../../../etc/passwd")]],
  ["unsafe-name", [file("a/../b")]],
  ["unsafe-name", [file("./a")]],
  ["unsafe-name", [file("a//b")]],
  ["unsafe-name", [{ name: "", content: "x" }]],
  ["unsafe-name", [file("a/")]],
  ["unsafe-name", [directory(`${root}/..`)]],
  ["outside-prefix", [{ name: "etc/passwd", content: "x" }]],
  ["outside-prefix", [{ name: "opt/store/linux-x86_64/q-1-xyz/a", content: "x" }]],
  ["outside-prefix", [{ name: `${root}x/a`, content: "x" }]],
  ["outside-prefix", [{ name: "opt/store/linux-x86_64", type: "symlink", linkName: "/tmp" }]],
  ["outside-prefix", [directory("opt/other")]],
  ["prefix-replaced", [file("a"), { name: root, type: "symlink", linkName: "/tmp" }]],
  ["prefix-replaced", [file("a"), { name: root, content: "x" }]],
  ["link-outside-prefix", [file("a"), hardlink("b", "etc/shadow")]],
  ["unsafe-name", [file("a"), hardlink("b", "/etc/shadow")]],
  ["unsafe-name", [file("a"), hardlink("b", `${root}/../a`)]],
  ["link-to-nothing", [file("a"), hardlink("b", `${root}/later`)]],
  ["link-to-nothing", [file("a"), hardlink("b", `${root}/b`)]],
  ["link-to-nothing", [symlink("s", "/etc/shadow"), hardlink("b", `${root}/s`)]],
  ["link-to-nothing", [directory(`${root}/d`), hardlink("b", `${root}/d`)]],
  ["link-to-nothing", [file("a"), hardlink("b", root)]],
  ["through-link", [symlink("out", "/tmp"), file("out/a")]],
  ["through-link", [symlink("out", "."), directory(`${root}/out/d`)]],
  ["through-link", [symlink("out", "/tmp"), file("out/deeper/a")]],
  ["through-link", [file("a"), symlink("out", "/tmp"), hardlink("out/b", `${root}/a`)]],
  ["through-link", [symlink(".spack", "/tmp")]],
  ["not-a-directory", [file("a"), file("a/b")]],
  ["duplicate-entry", [file("a"), file("a")]],
  ["duplicate-entry", [symlink("a", "/tmp"), file("a")]],
  ["duplicate-entry", [file("a"), symlink("a", "/tmp")]],
  ["duplicate-entry", [directory(`${root}/d`), symlink("d", "/tmp")]],
  ["duplicate-entry", [directory(`${root}/d`), directory(`${root}/d`)]],
  ["duplicate-entry", [file("d/a"), file("d")]],
  ["duplicate-entry", [file("a"), directory(root)]],
  ["duplicate-entry", [last]],
  ["entry-type", [file("tty", { content: "", patch: { 156: "3" } })]],
  ["entry-type", [file("disk", { content: "", patch: { 156: "4" } })]],
  ["entry-type", [file("pipe", { content: "", patch: { 156: "6" } })]],
  ["entry-type", [file("sparse", { patch: { 156: "S" } })]],
  ["special-mode", [file("su", { mode: 0o4755 })]],
  ["special-mode", [file("sg", { mode: 0o2755 })]],
  ["size-invalid", [symlink("a", "b"), { ...symlink("c", "d"), size: 512, content: "y".repeat(512) }]],
  ["size-invalid", [{ ...directory(`${root}/d`), size: 512, content: "y".repeat(512) }]],
  ["unsafe-link", [symlink("a", "")]],
  ["unsafe-link", [symlink("a", "l/".repeat(3000))]],
  ["climbing-link", [symlink("a", "../../../etc/passwd")]],
  ["climbing-link", [symlink("d/a", "../x/../../../../etc")]],
  ["too-deep", [file(deep)]],
  ["name-too-long", [file("n".repeat(256))]],
  ["name-too-long", [file(`${"ü".repeat(128)}`)]],
  ["name-too-long", [file(`${"n".repeat(250)}/`.repeat(20).slice(0, -1))]],
  ["too-large", [file("bomb", { size: 2 ** 41, content: "" })]],
  ["too-large", [file("bomb", { size: 3000, content: "x".repeat(3000) })], { limits: { size: 2000 } }],
  ["too-many-entries", [file("a"), file("b")], { limits: { entries: 5 } }],
  ["name-collision", [file("Readme"), file("README")], { caseInsensitive: true }],
  ["name-collision", [file("Lib/a"), file("lib/b")], { caseInsensitive: true }],
  ["name-collision", [file("é"), file("e\u0301")], { caseInsensitive: true }],
  ["header-invalid", [file("a", { patch: { 148: "0000000\0" } })]],
  ["header-invalid", [file("a", { patch: { 124: "9999999999 " } })]],
  ["header-invalid", [file("a", { patch: { 124: "-0000000001" } })]],
  ["header-invalid", [file("a", { patch: { 124: "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" } })]],
  ["header-invalid", [file("a", { patch: { 124: "\xff".repeat(12) } })]],
  ["header-invalid", [file("pax", { content: "999 path=x\n", patch: { 156: "x" } })]],
  ["header-invalid", [file("pax", { content: "12 size=-512\n", patch: { 156: "x" } })]],
  ["header-invalid", [file("pax", { content: "path=x\n", patch: { 156: "x" } })]],
  ["header-invalid", [file("pax", { size: 2 ** 30, content: "", patch: { 156: "x" } })]],
  [
    "unsafe-name",
    [file("pax", { content: "18 path=/etc/crontab\n".replace("18", "21"), patch: { 156: "x" } }), file("a")],
  ],
  [
    "unsafe-name",
    [file("pax", { content: "11 path=a\0b\n".replace("11", "12"), patch: { 156: "x" } }), file("a")],
  ],
  ["truncated", [file("a", { size: 1_000_000 })]],
])("createUnpacker() refuses %s: case %$", (code, entries, options) => {
  const refusal = expect.objectContaining({ name: "Failure", code: `archive.${code}`, subject: "p.tar" });
  expect(() => unpack(archiveWith(...entries), { hash: "abc", ...options })).toThrow(refusal);
});

test.each<[string, Buffer]>([
  ["truncated", archiveWith(file("a")).subarray(0, -1024)],
  ["truncated", archiveWith(file("a")).subarray(0, 1800)],
  ["truncated", Buffer.alloc(0)],
  ["metadata-missing", Buffer.concat([...parents, file("a")].map(entryBytes).concat(endMark))],
  ["metadata-missing", Buffer.alloc(10240)],
  ["header-invalid", Buffer.concat([archiveWith(file("a")), entryBytes(file("hidden"))])],
  ["header-invalid", Buffer.from("no tar at all ".repeat(100))],
  ["prefix-unknown", Buffer.concat([{ name: "a", content: "x" }, last].map(entryBytes).concat(endMark))],
  [
    "prefix-unknown",
    Buffer.concat([{ name: ".spack/spec.json", content: "x" }].map(entryBytes).concat(endMark)),
  ],
  [
    "prefix-mismatch",
    Buffer.concat([{ ...last, name: "opt/q/.spack/binary_distribution" }].map(entryBytes).concat(endMark)),
  ],
  [
    "metadata-invalid",
    Buffer.concat([...parents, { ...last, content: "{" }].map(entryBytes).concat(endMark)),
  ],
])("createUnpacker() refuses an archive as %s: case %$", (code, archive) => {
  expect(() => unpack(archive)).toThrow(expect.objectContaining({ code: `archive.${code}` }));
});

/** Every path below a directory with what it is. */
function tree(directoryPath: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(directoryPath, { recursive: true, encoding: "utf8" }).sort()) {
    const path = join(directoryPath, name);
    const stat = lstatSync(path);
    found[name] = stat.isSymbolicLink()
      ? `-> ${readlinkSync(path)}`
      : stat.isDirectory()
        ? "directory"
        : `${(stat.mode & 0o777).toString(8)} ${stat.nlink} ${readFileSync(path).toString("base64")}`;
  }
  return found;
}

test("what packPrefix() packs unpacks to the same tree, names that are not UTF-8 and hard links included", () => {
  const directoryPath = join(scratch, "round-trip");
  mkdirSync(join(directoryPath, ".spack"), { recursive: true });
  mkdirSync(join(directoryPath, "empty"));
  const odd = `${directoryPath}/odd-\udcff`;
  {
    using created = systemFiles.create(odd, 0o755);
    created.write(Buffer.alloc(3_000_000, "content\n"));
  }
  systemFiles.link(odd, `${directoryPath}/zz-${"long-".repeat(30)}`);
  systemFiles.symlink("odd-\udcff", `${directoryPath}/link`);
  const request = {
    prefix: "/opt/store/round-trip",
    directory: directoryPath,
    distribution: {
      sbangInstallPath: "/opt/store/bin/sbang",
      buildPath: "/opt/store",
      spackPrefix: "/opt/spack",
      relativePrefix: "round-trip",
      hashToPrefix: new Map(),
    },
  };
  const target = join(scratch, "round-trip-unpacked");
  using writer = createTreeWriter(systemFiles, target);
  const unpacker = createUnpacker(writer, { subject: "round-trip" });
  for (const piece of packPrefix(request, systemFiles)) unpacker.push(piece);
  unpacker.end();
  rmSync(join(target, binaryDistributionName));
  const listing = (at: string) =>
    spawnSync("sh", ["-c", "find . -printf '%p %m %s %n %l\\n' | sort; cat odd* | sha256sum"], { cwd: at })
      .stdout;
  expect(
    listing(target)
      .toString("latin1")
      .replace(/^\. .*/m, ""),
  ).toBe(
    listing(directoryPath)
      .toString("latin1")
      .replace(/^\. .*/m, ""),
  );
});

const layouts = ["cache", "cache-023", "cache-021"].filter((name) =>
  existsSync(`../shared/fixtures/oci/${name}`),
);

describe.skipIf(layouts.length === 0)("the tarballs that Spack pushed (../shared/fixtures)", () => {
  const blobsOf = (layout: string): string => `../shared/fixtures/oci/${layout}/blobs/sha256`;
  const isGzip = (path: string): boolean => readFileSync(path).readUInt16BE(0) === 0x1f8b;
  const tarballs = layouts.flatMap((layout) =>
    readdirSync(blobsOf(layout))
      .map((name) => join(blobsOf(layout), name))
      .filter((path) => statSync(path).size > 100 && isGzip(path)),
  );

  test.each(tarballs)("unpack to what GNU tar unpacks: %s", async (tarball) => {
    const name = tarball.slice(-20);
    const gnu = join(scratch, `gnu-${name}`);
    mkdirSync(gnu);
    expect(spawnSync("tar", ["-xzf", tarball, "-C", gnu]).status).toBe(0);
    const ours = join(scratch, `ours-${name}`);
    using writer = createTreeWriter(systemFiles, ours);
    const unpacker = createUnpacker(writer, { subject: name });
    const summary = await gunzip([readFileSync(tarball)], unpacker.push, { subject: name });
    const { prefix } = unpacker.end();
    expect(summary.digest).toBe(`sha256:${tarball.split("/").at(-1)}`);
    expect(tree(ours)).toEqual(tree(join(gnu, prefix)));
  });
});
