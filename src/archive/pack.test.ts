import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { Failure } from "../base/failure.js";
import { systemFiles } from "../io/system/files.js";
import { decodeBinaryDistribution } from "./binary-distribution.js";
import { type PackRequest, packPrefix } from "./pack.js";

const scratch = mkdtempSync(join(tmpdir(), "stowage-pack-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function pack(request: PackRequest): Buffer {
  return Buffer.concat(Array.from(packPrefix(request, systemFiles), (piece) => Buffer.from(piece)));
}

/** A package in `scratch` that says it lives in /opt/store/name. */
function packageIn(name: string): PackRequest & { directory: string } {
  const directory = join(scratch, name);
  mkdirSync(join(directory, ".spack"), { recursive: true });
  return {
    prefix: `/opt/store/${name}`,
    directory,
    distribution: {
      sbangInstallPath: "/opt/store/bin/sbang",
      buildPath: "/opt/store",
      spackPrefix: "/opt/store",
      relativePrefix: name,
      hashToPrefix: new Map([["a".repeat(32), `/opt/store/${name}`]]),
    },
  };
}

const shared = "../shared/fixtures";
const layout = join(shared, "oci/cache");

describe.skipIf(!existsSync(layout))("the store of Spack 1.3 (../shared/fixtures)", () => {
  const json = (file: string) => JSON.parse(readFileSync(file, "utf8"));
  const blob = (digest: string): string => join(layout, "blobs", digest.replace(":", "/"));
  const packages: { name: string; layer: string; diffId: string }[] = existsSync(layout)
    ? json(join(layout, "index.json")).manifests.flatMap((entry: Record<string, Record<string, string>>) => {
        const name = entry["annotations"]?.["org.opencontainers.image.ref.name"] ?? "";
        const manifest = json(blob(String(entry["digest"])));
        const diffIds = json(blob(manifest.config.digest)).rootfs?.diff_ids;
        return diffIds === undefined
          ? []
          : [{ name, layer: manifest.layers.at(-1).digest, diffId: diffIds.at(-1) }];
      })
    : [];
  const store = join(scratch, "store-1.3");
  mkdirSync(store);
  spawnSync("tar", ["-xzf", join(shared, "store-1.3.tar.gz"), "-C", store]);

  test("has packages", () => expect(packages).toHaveLength(6));

  test.each(packages)(
    "packPrefix() gives $name the diff id that Spack gave it",
    ({ name, layer, diffId }) => {
      const prefix = `/opt/spack-fixture/opt/spack/linux-x86_64/${name.replace(/\.spack$/, "")}`;
      const tar = gunzipSync(readFileSync(blob(layer)));
      const metadata = /\n?(\{sbang_install_path.*\})\n/.exec(
        tar.toString("latin1", tar.byteLength - 100_000),
      )?.[1];
      const spacks = decodeBinaryDistribution(Buffer.from(metadata ?? "", "latin1"), name);
      const { relocateBinaries: _b, relocateLinks: _l, relocateTextFiles: _t, ...distribution } = spacks;
      const packed = pack({ prefix, directory: join(store, prefix), distribution });
      expect(`sha256:${createHash("sha256").update(packed).digest("hex")}`).toBe(diffId);
    },
  );
});

const listing = `
import sys, tarfile
for entry in tarfile.open(sys.argv[1], encoding="utf-8", errors="surrogateescape"):
    print(entry.type.decode(), "%o" % entry.mode, entry.mtime, entry.uid, entry.gid, entry.size, ascii(entry.name), ascii(entry.linkname))
`;

/** What python3's tarfile reads in an archive below /opt/store/NAME/. */
function listedByPython(tar: Buffer, name: string): string[] {
  const file = join(scratch, `${name}.tar`);
  writeFileSync(file, tar);
  const run = spawnSync("python3", ["-c", listing, file], { encoding: "utf8" });
  expect(run.stderr).toBe("");
  return run.stdout
    .trimEnd()
    .split("\n")
    .filter((line) => line.includes(`${name}/`))
    .map((line) => line.replaceAll(`opt/store/${name}/`, ""));
}

test("packPrefix() writes hard links, modes, empty directories and links as python3 and GNU tar read them", () => {
  const request = packageIn("plain");
  const at = (name: string): string => join(request.directory, name);
  mkdirSync(at("empty"));
  writeFileSync(at("first"), "one file");
  linkSync(at("first"), at("second"));
  writeFileSync(at("run"), "#!/bin/sh\n");
  chmodSync(at("run"), 0o4711);
  symlinkSync("first", at("link"));
  symlinkSync("empty", at("link-to-directory"));
  const tar = pack(request);
  expect(listedByPython(tar, "plain")).toEqual([
    "0 644 0 0 0 8 'first' ''",
    "2 755 0 0 0 0 'link' 'first'",
    "2 755 0 0 0 0 'link-to-directory' 'empty'",
    "0 755 0 0 0 10 'run' ''",
    "1 644 0 0 0 0 'second' 'first'",
    "5 755 0 0 0 0 '.spack' ''",
    "5 755 0 0 0 0 'empty' ''",
    expect.stringMatching(/^0 644 0 0 0 \d+ '.spack\/binary_distribution' ''$/),
  ]);
  expect(tar.byteLength % 10240).toBe(0);
  const gnu = spawnSync("tar", ["-tf", "-"], { input: tar, encoding: "utf8" });
  expect(gnu.status).toBe(0);
  expect(gnu.stdout.split("\n").slice(0, 3)).toEqual(["opt/", "opt/store/", "opt/store/plain/"]);
});

test("packPrefix() keeps names that are long, not ASCII, or not UTF-8", () => {
  const request = packageIn("names");
  const odd = Buffer.concat([Buffer.from(`${request.directory}/odd-`), Buffer.from([0xff, 0x80, 0xc3])]);
  const long = "long-".repeat(40);
  writeFileSync(odd, "x");
  symlinkSync(odd.subarray(request.directory.length + 1), join(request.directory, "to-odd"));
  writeFileSync(join(request.directory, long), "x");
  symlinkSync(long, join(request.directory, "to-long"));
  writeFileSync(join(request.directory, "ümläut-\u{1f600}"), "x");
  expect(listedByPython(pack(request), "names").slice(0, 5)).toEqual([
    `0 644 0 0 0 1 '${long}' ''`,
    "0 644 0 0 0 1 'odd-\\udcff\\udc80\\udcc3' ''",
    `2 755 0 0 0 0 'to-long' '${long}'`,
    "2 755 0 0 0 0 'to-odd' 'odd-\\udcff\\udc80\\udcc3'",
    "0 644 0 0 0 1 '\\xfcml\\xe4ut-\\U0001f600' ''",
  ]);
});

test("packPrefix() refuses a file that changes while it is read", () => {
  const request = packageIn("changing");
  const file = join(request.directory, "log");
  writeFileSync(file, Buffer.alloc(3 * 1024 * 1024));
  const pieces = packPrefix(request, systemFiles);
  expect(() => {
    for (const piece of pieces) if (piece.byteLength === 1024 * 1024) appendFileSync(file, "more");
  }).toThrow(expect.objectContaining({ code: "archive.file-changed", subject: file }));
});

test.skipIf(process.getuid?.() === 0)("packPrefix() names a file that it may not read", () => {
  const request = packageIn("denied");
  const file = join(request.directory, "secret");
  writeFileSync(file, "x", { mode: 0 });
  expect(() => pack(request)).toThrow(expect.objectContaining({ kind: "denied", subject: file }));
});

test("packPrefix() says that a missing prefix is missing", () => {
  const request = { ...packageIn("missing"), directory: join(scratch, "nowhere") };
  expect(() => pack(request)).toThrow(Failure);
  expect(() => pack(request)).toThrow(/nowhere: it does not exist/);
});
