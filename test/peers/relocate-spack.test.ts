import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parse } from "yaml";
import { relocateBinary } from "../../src/relocate/binary.js";
import { relocateLink } from "../../src/relocate/link.js";
import { type PrefixMap, prefixMapOf } from "../../src/relocate/prefix-map.js";
import { sbangScript, wrapShebang } from "../../src/relocate/sbang.js";
import { relocateText } from "../../src/relocate/text.js";

const fixtures = join(import.meta.dirname, "../../../shared/fixtures");
const scratch = mkdtempSync(join(tmpdir(), "stowage-relocate-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The prefixes of what the layers of `oci/cache` holds, unpacked. */
function unpackLayers(): string[] {
  const blobs = join(fixtures, "oci/cache/blobs/sha256");
  for (const name of readdirSync(blobs)) {
    const bytes = readFileSync(join(blobs, name));
    if (bytes[0] === 0x1f && bytes[1] === 0x8b)
      execFileSync("tar", ["-xzf", join(blobs, name), "-C", scratch, "--no-same-owner"]);
  }
  const store = join(scratch, "opt/spack-fixture/opt/spack/linux-x86_64");
  return readdirSync(store).map((name) => join(store, name));
}

interface Distribution {
  sbang_install_path: string;
  buildpath: string;
  hash_to_prefix: Record<string, string>;
  relocate_binaries: string[];
  relocate_links: string[];
  relocate_textfiles: string[];
}

function mapTo(root: string, dist: Distribution): PrefixMap {
  const moved = (path: string): [string, string] => [path, root + path.slice(dist.buildpath.length)];
  return prefixMapOf(
    [dist.sbang_install_path, ...Object.values(dist.hash_to_prefix), dist.buildpath].map(moved),
  );
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test.skipIf(!existsSync(fixtures))("relocation writes the bytes that Spack 1.3 wrote", () => {
  const expected: { roots: Record<string, Record<string, { sha256?: string; link?: string }>> } = JSON.parse(
    readFileSync(join(fixtures, "relocated-by-spack.json"), "utf8"),
  );
  const prefixes = unpackLayers();
  for (const [root, files] of Object.entries(expected.roots)) {
    const found: typeof files = {};
    for (const prefix of prefixes) {
      const dist: Distribution = parse(readFileSync(join(prefix, ".spack/binary_distribution"), "utf8"));
      const map = mapTo(root, dist);
      for (const name of readdirSync(prefix, { recursive: true, encoding: "utf8" })) {
        const path = join(prefix, name);
        const stat = lstatSync(path);
        if (name.startsWith(".spack") || stat.isDirectory()) continue;
        const key = relative(join(scratch, dist.buildpath), path);
        if (stat.isSymbolicLink()) {
          const target = readlinkSync(path);
          found[key] = {
            link: dist.relocate_links.includes(name) ? (relocateLink(target, map) ?? target) : target,
          };
          continue;
        }
        const bytes = readFileSync(path);
        const binary = dist.relocate_binaries.includes(name) ? relocateBinary(bytes, map) : undefined;
        expect(binary?.problems ?? []).toEqual([]);
        const text = dist.relocate_textfiles.includes(name) ? relocateText(bytes, map) : undefined;
        found[key] = { sha256: sha256(binary?.bytes ?? text ?? bytes) };
      }
    }
    const stripped = Object.fromEntries(
      Object.entries(files).map(([name, { sha256, link }]) => [
        name,
        link === undefined ? { sha256 } : { link },
      ]),
    );
    expect(found).toEqual(stripped);
  }
});

const canRun = existsSync(fixtures) && process.arch === "x64" && process.platform === "linux";

test.skipIf(!canRun)(
  "programs run from a root that is longer than the old one, by aliases where C strings cannot grow",
  () => {
    const root = join(scratch, `new/${"longer/".repeat(20)}root`);
    const sbang = join(scratch, "sbang");
    writeFileSync(sbang, sbangScript, { mode: 0o755 });
    for (const prefix of unpackLayers()) {
      const dist: Distribution = parse(readFileSync(join(prefix, ".spack/binary_distribution"), "utf8"));
      const map = mapTo(root, dist);
      const aliases = new Map(
        Object.entries(dist.hash_to_prefix).map(([hash, old]) => [old, join(scratch, "a", hash.slice(0, 7))]),
      );
      const to = root + prefix.slice(scratch.length + dist.buildpath.length);
      cpSync(prefix, to, { recursive: true, verbatimSymlinks: true });
      const hash = prefix.slice(-32);
      mkdirSync(join(scratch, "a"), { recursive: true });
      symlinkSync(to, join(scratch, "a", hash.slice(0, 7)));
      for (const name of [...dist.relocate_binaries, ...dist.relocate_textfiles]) {
        const bytes = readFileSync(join(to, name));
        const isBinary = dist.relocate_binaries.includes(name);
        const binary = isBinary ? relocateBinary(bytes, map, { aliases }) : undefined;
        // What is left holds the bare store root, or another package's prefix that libgreet only talks of.
        expect(binary?.problems.filter(({ kind }) => kind !== "cannot-grow") ?? []).toEqual([]);
        const text = isBinary ? undefined : relocateText(bytes, map);
        const mode = lstatSync(join(to, name)).mode;
        const moved = binary?.bytes ?? text ?? bytes;
        writeFileSync(join(to, name), wrapShebang(moved, { sbang }) ?? moved);
        chmodSync(join(to, name), mode);
      }
    }
    const greet = join(root, "linux-x86_64/greet-2.1.0-fnjwovnnel7zse6f4ljr3y6budjlpyrd/bin");
    const run = (name: string, ...args: string[]) =>
      execFileSync(join(greet, name), args, { encoding: "utf8" }).trim();
    expect(run("greet")).toBe("Hello, world! zlib 1.2.13");
    expect(run("greet", "--where")).toBe(`${scratch}/a/dliq6qb\n${scratch}/a/fnjwovn`);
    expect(run("greet-sh")).toBe("Hello, world! zlib 1.2.13");
    expect(run("greet-self")).toBe(`Hello, ${greet}/greet-self! zlib 1.2.13`);
  },
);
