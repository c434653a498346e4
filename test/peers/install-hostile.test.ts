import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { hasZstd } from "../../src/archive/zstd.js";
import { utf8 } from "../../src/base/bytes.js";
import { Failure } from "../../src/base/failure.js";
import { mediaTypes } from "../../src/oci/media-types.js";
import type { ForgedEntry } from "../support/archives.js";
import { scratchDirectory } from "../support/fixtures.js";
import { type Forged, type Forgery, hostileMirror, layerOf, offer } from "../support/forged-package.js";
import { installFrom } from "../support/install-from.js";
import { makePackage } from "../support/packages.js";

// What is installed already, and what a hostile mirror offers: a package that needs it; and another.
const honest = makePackage("honest");
const lib = makePackage("lib");
const app = makePackage("app", "1.0", [lib]);

/** All that stands below a directory, with what it holds, but for the locks and downloads. */
function snapshot(directory: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" }).sort()) {
    const path = join(directory, name);
    if (name.startsWith("cache")) continue;
    const stat = lstatSync(path);
    found[name] = stat.isSymbolicLink()
      ? readlinkSync(path)
      : stat.isFile()
        ? readFileSync(path, "latin1")
        : "directory";
  }
  return found;
}

const nested = (open: string, close: string): string => open.repeat(200_000) + close.repeat(200_000);
const inFile =
  (name: string, more: ForgedEntry = {}) =>
  (prefix: string): readonly ForgedEntry[] => [{ name: `${prefix}/${name}`, content: "x", ...more }];
/** Members to set, or what else is done to a document. */
type Change = Readonly<Record<string, unknown>> | ((document: Forged) => void);
const apply = (document: Forged, change: Change): void =>
  typeof change === "function" ? change(document) : void Object.assign(document, change);
const root = (change: Change) => (nodes: Forged[]) => apply(nodes[0], change);
const own = (change: Change) => (manifest: Forged) => apply(manifest.layers[0], change);

/** What is hostile, and the code of the failure that refuses it. */
const cases: readonly (readonly [string, string, Forgery])[] = [
  // Manifests.
  ["a manifest that is no JSON", "oci.document-invalid", { manifestBytes: () => utf8("<html>") }],
  ["a manifest that is a list", "oci.document-invalid", { manifest: () => [] }],
  ["a manifest that is null", "oci.document-invalid", { manifest: () => null }],
  [
    "a manifest that is not UTF-8",
    "oci.document-invalid",
    { manifestBytes: () => Buffer.from([0x7b, 0xff, 0x7d]) },
  ],
  [
    "a manifest nested 200,000 deep",
    "oci.document-invalid",
    { manifestBytes: () => utf8(`{"layers":${nested("[", "]")}}`) },
  ],
  [
    "a manifest of 5 MiB",
    "oci.document-invalid",
    { manifest: (m) => ({ ...m, x: "x".repeat(5 * 2 ** 20) }) },
  ],
  ["a manifest of schema 1", "oci.document-invalid", { manifest: (m) => ({ ...m, schemaVersion: 1 }) }],
  [
    "a manifest that calls itself an index",
    "oci.document-invalid",
    { manifest: (m) => ({ ...m, mediaType: mediaTypes.ociIndex }) },
  ],
  [
    "a manifest that is an index too",
    "oci.document-invalid",
    { manifest: (m) => ({ ...m, manifests: m.layers }) },
  ],
  [
    "an index where a manifest should be",
    "oci.not-an-image",
    { mediaType: mediaTypes.ociIndex, manifest: (m) => ({ schemaVersion: 2, manifests: m.layers }) },
  ],
  ["a manifest of a foreign media type", "oci.not-an-image", { mediaType: "application/vnd.evil+json" }],
  ["a manifest without layers", "buildcache.entry-broken", { manifest: (m) => ({ ...m, layers: [] }) }],
  [
    "a manifest whose layers are null",
    "buildcache.entry-broken",
    { manifest: (m) => ({ ...m, layers: null }) },
  ],
  ["a manifest without config", "oci.document-invalid", { manifest: ({ config: _, ...m }) => m }],
  ["a layer of negative size", "oci.document-invalid", { manifest: own({ size: -1 }) }],
  ["a layer of half a byte", "oci.document-invalid", { manifest: own({ size: 0.5 }) }],
  ["a layer of 1e308 bytes", "oci.document-invalid", { manifest: own({ size: 1e308 }) }],
  ["a layer whose size is a text", "oci.document-invalid", { manifest: own({ size: "100" }) }],
  ["a layer of 8 PiB", "store.no-space", { manifest: own({ size: 2 ** 53 - 1 }) }],
  [
    "a layer one byte longer than it is",
    "oci.blob-corrupt",
    {
      manifest: own((l) => {
        l.size += 1;
      }),
    },
  ],
  [
    "a layer one byte shorter than it is",
    "oci.blob-corrupt",
    {
      manifest: own((l) => {
        l.size -= 1;
      }),
    },
  ],
  [
    "a layer whose digest is a path",
    "oci.document-invalid",
    { manifest: own({ digest: "sha256:../../../../etc/passwd" }) },
  ],
  [
    "a layer whose digest is in capitals",
    "oci.document-invalid",
    { manifest: own((l) => Object.assign(l, { digest: l.digest.toUpperCase() })) },
  ],
  ["a layer digest of md5", "oci.document-invalid", { manifest: own({ digest: `md5:${"0".repeat(32)}` }) }],
  [
    "a layer that is not there",
    "oci.blob-missing",
    {
      manifest: own({ digest: `sha256:${"0".repeat(64)}` }),
      config: (c) => ({ ...c, binary_cache_checksum: undefined }),
    },
  ],
  [
    "a layer of a foreign media type",
    "buildcache.layer-unsupported",
    { manifest: own({ mediaType: "application/vnd.evil.layer+gzip" }) },
  ],
  [
    "a layer in zstd",
    hasZstd ? "archive.zstd-invalid" : "archive.zstd-missing",
    {
      manifest: own({ mediaType: mediaTypes.ociLayerZstd }),
      layer: () => Buffer.from("28b52ffd04a80100000000000000000000", "hex"),
    },
  ],
  [
    "a layer that is nondistributable",
    "buildcache.layer-unsupported",
    {
      manifest: own((l) => {
        l.mediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
        l.urls = ["http://127.0.0.1:1/x"];
      }),
    },
  ],
  [
    "a config of 8 PiB",
    "oci.blob-corrupt",
    {
      manifest: (m) => {
        m.config.size = 2 ** 53 - 1;
      },
    },
  ],
  [
    "more layers than diff ids",
    "buildcache.entry-broken",
    { manifest: (m) => ({ ...m, layers: [...m.layers, ...m.layers] }) },
  ],
  // Configs.
  ["a config that is no JSON", "oci.document-invalid", { configBytes: () => utf8("spec: {}") }],
  ["a config that is null", "oci.document-invalid", { config: () => "null" }],
  [
    "a config nested 200,000 deep",
    "oci.document-invalid",
    {
      configBytes: (b) =>
        utf8(b.toString().replace('"nodes":[', `"x":${nested('{"a":', "}").replace("}", "1}")},"nodes":[`)),
    },
  ],
  [
    "a node nested 200,000 deep",
    "oci.document-invalid",
    {
      configBytes: (b) =>
        utf8(b.toString().replace('"parameters":{', `"parameters":{"x":${nested("[", "]")},`)),
    },
  ],
  ["a config of 5 MiB", "oci.document-invalid", { config: (c) => ({ ...c, x: "x".repeat(5 * 2 ** 20) }) }],
  ["a config without rootfs", "oci.document-invalid", { config: ({ rootfs: _, ...c }) => c }],
  [
    "a diff id that is none",
    "oci.digest-invalid",
    {
      config: (c) => {
        c.rootfs.diff_ids = ["sha256:zz"];
      },
    },
  ],
  [
    "fewer diff ids than layers",
    "buildcache.entry-broken",
    {
      config: (c) => {
        c.rootfs.diff_ids = [];
      },
    },
  ],
  [
    "a config whose variables are numbers",
    "oci.document-invalid",
    {
      config: (c) => {
        c.config.Env = [1];
      },
    },
  ],
  ["a config without spec", "buildcache.entry-broken", { config: ({ spec: _, ...c }) => c }],
  [
    "a config with another tarball's checksum",
    "buildcache.entry-broken",
    {
      config: (c) => {
        c.binary_cache_checksum.hash = "0".repeat(64);
      },
    },
  ],
  [
    "a checksum that is a list",
    "buildcache.entry-broken",
    {
      config: (c) => {
        c.binary_cache_checksum.hash = [];
      },
    },
  ],
  [
    "a build cache layout of the future",
    "buildcache.layout-unknown",
    { config: (c) => ({ ...c, buildcache_layout_version: 99 }) },
  ],
  [
    "a layout version that is an object",
    "buildcache.layout-unknown",
    { config: (c) => ({ ...c, buildcache_layout_version: {} }) },
  ],
  ["a spec that is a text", "spec.invalid", { config: (c) => ({ ...c, spec: "lib" }) }],
  [
    "a spec format of the future",
    "spec.format-unsupported",
    {
      config: (c) => {
        c.spec._meta.version = 99;
      },
    },
  ],
  [
    "a spec format of 1e400",
    "spec.invalid",
    { configBytes: (b) => utf8(b.toString().replace('"version":5', '"version":1e400')) },
  ],
  [
    "a spec format that is NaN's text",
    "spec.invalid",
    {
      config: (c) => {
        c.spec._meta.version = "NaN";
      },
    },
  ],
  [
    "a spec without nodes",
    "spec.invalid",
    {
      config: (c) => {
        c.spec.nodes = [];
      },
    },
  ],
  [
    "nodes that are an object",
    "spec.invalid",
    {
      config: (c) => {
        c.spec.nodes = { length: 1 };
      },
    },
  ],
  [
    "a node that is null",
    "spec.invalid",
    {
      config: (c) => {
        c.spec.nodes.push(null);
      },
    },
  ],
  [
    "the spec of another package",
    "buildcache.entry-broken",
    {
      config: (c) => {
        c.spec.nodes = [honest.node];
      },
    },
  ],
  [
    "a node that was changed",
    "spec.hash-mismatch",
    {
      keepHashes: true,
      spec: root((n) => {
        n.parameters.shared = true;
      }),
    },
  ],
  [
    "a dependency that was changed",
    "spec.hash-mismatch",
    {
      keepHashes: true,
      spec: (nodes) => {
        nodes[1].version = "6.6.6";
      },
    },
  ],
  [
    "a node twice",
    "spec.invalid",
    {
      spec: (nodes) => {
        nodes.push(structuredClone(nodes[1]));
      },
    },
  ],
  [
    "a dependency that is not there",
    "spec.invalid",
    {
      spec: (nodes) => {
        nodes.pop();
      },
    },
  ],
  ["a dependency on itself", "spec.cycle", { config: cyclic(0) }],
  ["dependencies in a ring", "spec.cycle", { config: cyclic(1) }],
  [
    "a dependency of an unknown type",
    "spec.invalid",
    {
      spec: root((n) => {
        n.dependencies[0].parameters.deptypes = ["steal"];
      }),
    },
  ],
  ["dependencies that are a text", "spec.invalid", { spec: root({ dependencies: "lib" }) }],
  [
    "a hash that is not base32",
    "spec.invalid",
    { keepHashes: true, spec: root({ hash: `${"a".repeat(31)}1` }) },
  ],
  [
    "a hash that is a path",
    "spec.invalid",
    { keepHashes: true, spec: root({ hash: "../../../../../../../../etc/xyz/ab" }) },
  ],
  ["a name that climbs", "spec.invalid", { spec: root({ name: "../../x" }) }],
  [
    "a dependency's name that climbs",
    "spec.invalid",
    {
      spec: (nodes) => {
        nodes[1].name = nodes[0].dependencies[0].name = "../../x";
      },
    },
  ],
  ["a name with a NUL", "spec.invalid", { spec: root({ name: "app\0x" }) }],
  ["a name with a newline", "spec.invalid", { spec: root({ name: "app\nx" }) }],
  ["a name of 300 characters", "store.prefix-invalid", { spec: root({ name: "a".repeat(300) }) }],
  ["a name that is a prototype's", "spec.invalid", { spec: root({ name: { toString: "app" } }) }],
  ["a version with slashes", "spec.invalid", { spec: root({ version: "1/../../x" }) }],
  ["a version that is a number", "spec.invalid", { spec: root({ version: 1 }) }],
  ["a version of 5,000 digits", "spec.invalid", { spec: root({ version: "1".repeat(5000) }) }],
  ["a version that is a range", "spec.invalid", { spec: root({ version: "1.0:2.0" }) }],
  [
    "a platform that climbs",
    "spec.invalid",
    { spec: root(({ arch }) => apply(arch, { platform: "../.." })) },
  ],
  [
    "a target that climbs",
    "spec.invalid",
    { spec: root(({ arch }) => apply(arch, { target: "../../../x" })) },
  ],
  ["a target with a NUL", "spec.invalid", { spec: root(({ arch }) => apply(arch, { target: "x86\0" })) }],
  [
    "an operating system that is a list",
    "spec.invalid",
    { spec: root(({ arch }) => apply(arch, { platform_os: [] })) },
  ],
  ["a namespace that climbs", "spec.invalid", { spec: root({ namespace: "../.." }) }],
  ["a compiler that climbs", "spec.invalid", { spec: root({ compiler: { name: "../..", version: "1" } }) }],
  [
    "an arch without target",
    "spec.invalid",
    { spec: root(({ arch }) => apply(arch, { target: undefined })) },
  ],
  [
    "a prototype where the arch should be",
    "spec.invalid",
    { configBytes: (b) => utf8(b.toString().replace('"arch":', '"__proto__":')) },
  ],
  ["a node that leaves its version open", "spec.invalid", { spec: root({ versions: ["1:"] }) }],
  // Archives.
  ["a layer that is no gzip", "archive.gzip-invalid", { layer: () => utf8("no gzip at all") }],
  ["a layer that is cut short", "archive.gzip-invalid", { layer: (b) => b.subarray(0, -20) }],
  [
    "a layer with a second, false end",
    "archive.gzip-invalid",
    { layer: (b) => Buffer.concat([b, Buffer.from("more")]) },
  ],
  ["an empty layer", "archive.gzip-invalid", { layer: () => new Uint8Array() }],
  ["no archive in the gzip", "archive.header-invalid", { layer: () => gzipSync("no tar ".repeat(1000)) }],
  ["a bomb of zeros after the end", "archive.header-invalid", { layer: bomb }],
  ["another package's archive", "install.other-package", { layer: () => layerOf(honest, {}) }],
  [
    "a file elsewhere in the old store",
    "archive.outside-prefix",
    { entries: () => [{ name: "opt/store/x", content: "x" }] },
  ],
  [
    "a file at an absolute path",
    "archive.unsafe-name",
    { entries: () => [{ name: "/etc/cron.d/x", content: "x" }] },
  ],
  ["a file that climbs", "archive.unsafe-name", { entries: inFile("../../../../x") }],
  [
    "a file beyond a link",
    "archive.through-link",
    { entries: (p) => [{ type: "symlink", name: `${p}/out`, linkName: "/tmp" }, ...inFile("out/x")(p)] },
  ],
  [
    "a hard link to /etc/passwd",
    "archive.unsafe-name",
    { entries: inFile("x", { type: "hardlink", linkName: "/etc/passwd", content: "" }) },
  ],
  [
    "a hard link to another package",
    "archive.link-outside-prefix",
    { entries: inFile("x", { type: "hardlink", linkName: "opt/store/y", content: "" }) },
  ],
  [
    "a link that climbs out of the store",
    "archive.climbing-link",
    { entries: inFile("x", { type: "symlink", linkName: "../../../etc/passwd", content: "" }) },
  ],
  ["a device", "archive.entry-type", { entries: inFile("x", { patch: { 156: "4" }, content: "" }) }],
  ["a pipe", "archive.entry-type", { entries: inFile("x", { patch: { 156: "6" }, content: "" }) }],
  ["a setuid program", "archive.special-mode", { entries: inFile("x", { mode: 0o4755 }) }],
  ["a file twice", "archive.duplicate-entry", { entries: (p) => [...inFile("x")(p), ...inFile("x")(p)] }],
  [
    "a link in the place of the prefix",
    "archive.prefix-replaced",
    { entries: (p) => [{ type: "symlink", name: p, linkName: "/tmp" }] },
  ],
  [
    "a link in the place of the metadata",
    "archive.through-link",
    { entries: inFile(".spack", { type: "symlink", linkName: "/tmp", content: "" }) },
  ],
  ["a file of more bytes than follow", "archive.truncated", { entries: inFile("x", { size: 2 ** 30 }) }],
  ["a file of 2 TiB", "archive.too-large", { entries: inFile("x", { size: 2 ** 41 }) }],
  ["a name of 300 bytes", "archive.name-too-long", { entries: inFile("x".repeat(300)) }],
  ["a path 200 deep", "archive.too-deep", { entries: inFile(`${"x/".repeat(200)}x`) }],
  ["metadata that is no YAML", "archive.metadata-invalid", { metadata: () => "{" }],
  ["metadata that is a list", "archive.metadata-invalid", { metadata: () => "[]" }],
  ["metadata of aliases of aliases", "archive.metadata-invalid", { metadata: laughs }],
  ["metadata nested 100,000 deep", "archive.metadata-invalid", { metadata: () => "[".repeat(100_000) }],
  [
    "metadata of a NUL",
    "archive.metadata-invalid",
    { metadata: (m) => ({ ...m, buildPath: "/opt/store\0x" }) },
  ],
  [
    "metadata of another prefix",
    "archive.prefix-mismatch",
    { metadata: (m) => ({ ...m, relativePrefix: "../../etc" }) },
  ],
  [
    "an old prefix that is empty",
    "archive.metadata-invalid",
    { metadata: (m) => ({ ...m, hashToPrefix: new Map([[app.hash, ""]]) }) },
  ],
  [
    "an old prefix that is the root directory",
    "archive.metadata-invalid",
    { metadata: (m) => ({ ...m, hashToPrefix: new Map([[app.hash, "/"]]) }) },
  ],
];

/** Formats 2 and 3 have hashes that cannot be checked, so only there nodes can name each other in a ring. */
function cyclic(at: number) {
  return (config: Forged) => {
    config.spec._meta.version = 2;
    const { nodes } = config.spec;
    for (const node of nodes) node.annotations = undefined;
    nodes[at].dependencies = [{ name: app.name, hash: app.hash, type: ["link"] }];
    if (at === 1) nodes[0].dependencies = [{ name: lib.name, hash: lib.hash, type: ["link"] }];
  };
}

/** 1 GiB of zeros in 1 MiB. */
function bomb(gzip: Buffer): Uint8Array {
  const member = gzipSync(Buffer.alloc(2 ** 26));
  return Buffer.concat([gzip, ...Array.from({ length: 16 }, () => member)]);
}

function laughs(): string {
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i < 10; i++)
    lines.push(`a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(", ")}]`);
  return `${lines.join("\n")}\n`;
}

test.each(cases)("%s is refused by name: %s, and nothing is left", async (_, code, forgery) => {
  using scratch = scratchDirectory();
  const root = join(scratch.path, "store");
  const cache = join(scratch.path, "cache");
  const mirror = hostileMirror();
  const from = { layout: mirror.repository, root, cache, freeBytes: 2 ** 40 };
  const request = await offer(mirror, [app, lib], forgery);
  await installFrom({ ...from, roots: [await offer(mirror, [lib], {})] });
  const before = snapshot(scratch.path);
  const failure = await installFrom({ ...from, roots: [request] }).then(
    ({ failed }) => failed[0]?.failure,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(Failure);
  expect(failure).toHaveProperty("code", code);
  expect(snapshot(scratch.path)).toEqual(before);
});
