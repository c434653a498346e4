import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { makePackage } from "../../test/support/packages.js";
import { utf8 } from "../base/bytes.js";
import { decodeSpecFile } from "../spec/spec-file.js";
import { imageBill, packageBill } from "./bill.js";
import { decodeFacts, noFacts } from "./facts.js";
import { decodeDescribed, encodeSbom } from "./sbom.js";

/** A file that Spack 1.3 wrote into libgreet's prefix. */
function fromStore(path: string): Uint8Array {
  const archive = fileURLToPath(new URL("../../test/fixtures/store-1.3.tar.gz", import.meta.url));
  const prefix =
    "opt/spack-fixture/opt/spack/linux-x86_64/libgreet-1.4.2-dliq6qbpjgdd5ycmfvwzmqycis6gelcr/.spack";
  return execFileSync("tar", ["-xzOf", archive, `${prefix}/${path}`], { maxBuffer: 1 << 24 });
}

const hash = "dliq6qbpjgdd5ycmfvwzmqycis6gelcr";
const graph = decodeSpecFile(JSON.parse(Buffer.from(fromStore("spec.json")).toString()), "spec.json");
const [root] = graph.roots;
if (root === undefined) throw new Error("no root");
const facts = decodeFacts(fromStore("sbom/spdx-2.3.json"), "spdx-2.3.json");
const bill = packageBill(graph, root, { facts: facts.of, created: facts.created });
const json = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString());

test("a package's SPDX document has each node of its spec, and what Spack's own document tells of them", () => {
  const { packages, relationships, ...head } = json(encodeSbom(bill, "spdx"));
  expect(head).toMatchObject({
    spdxVersion: "SPDX-2.3",
    SPDXID: "SPDXRef-DOCUMENT",
    name: `libgreet-1.4.2-${hash}`,
    creationInfo: { created: "2026-11-22T06:54:03Z" },
  });
  expect(head.documentNamespace).toMatch(new RegExp(`^https://spack.io/sbom/${hash}/stowage-[0-9a-f]{32}$`));
  expect(packages).toHaveLength(graph.nodes.size);
  expect(packages.find((one: { name: string }) => one.name === "zlib")).toMatchObject({
    SPDXID: "SPDXRef-PACKAGE-zlib-1.2.13-7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z",
    supplier: "Organization: madler",
    licenseDeclared: "Zlib",
    checksums: [
      {
        algorithm: "SHA256",
        checksumValue: "b3a24de97a8fdbc835b9833169501030b8977031bcb54b3b3ac13740f846ab30",
      },
    ],
    externalRefs: [
      {
        referenceType: "purl",
        referenceLocator:
          "pkg:generic/zlib@1.2.13?checksum=sha256%3Ab3a24de97a8fdbc835b9833169501030b8977031bcb54b3b3ac13740f846ab30&download_url=http%3A%2F%2Fzlib.net%2Ffossils%2Fzlib-1.2.13.tar.gz",
      },
      { referenceType: "spack-dag-hash", referenceLocator: "7i7xbvpxpadyo4mhvbnuvmj7zam5ay4z" },
    ],
  });
  const ids = new Set(["SPDXRef-DOCUMENT", ...packages.map((one: { SPDXID: string }) => one.SPDXID)]);
  expect(ids.size).toBe(packages.length + 1);
  for (const id of ids) expect(id).toMatch(/^SPDXRef-[A-Za-z0-9.-]+$/);
  for (const { spdxElementId, relatedSpdxElement } of relationships)
    expect([ids.has(spdxElementId), ids.has(relatedSpdxElement)]).toEqual([true, true]);
  const related = (type: string): string[] =>
    relationships
      .filter((one: { relationshipType: string }) => one.relationshipType === type)
      .map((one: { spdxElementId: string }) => one.spdxElementId);
  expect(related("BUILD_DEPENDENCY_OF")).toContain(
    "SPDXRef-PACKAGE-gcc-12.2.0-3kkp3m4df4oqxq2dwdpt6xxszkjy3yds",
  );
  expect(related("DEPENDS_ON")).toContain(`SPDXRef-PACKAGE-libgreet-1.4.2-${hash}`);
});

test("a package's CycloneDX document tells what runs from what only built it", () => {
  const { metadata, components, dependencies, ...head } = json(encodeSbom(bill, "cyclonedx"));
  expect(head).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.6", version: 1 });
  expect(head.serialNumber).toMatch(
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  expect(metadata).toMatchObject({ timestamp: "2026-11-22T06:54:03Z", component: { "bom-ref": hash } });
  const scopes = Object.fromEntries(
    components.map((one: { name: string; scope: string }) => [one.name, one.scope]),
  );
  expect(scopes).toMatchObject({ zlib: "required", gcc: "excluded", "gcc-runtime": "required" });
  const refs = new Set([hash, ...components.map((one: { "bom-ref": string }) => one["bom-ref"])]);
  expect(refs.size).toBe(graph.nodes.size);
  expect(dependencies.map((one: { ref: string }) => one.ref).sort()).toEqual([...refs].sort());
});

test("the same packages give the same bytes, at no time that anybody says", () => {
  const bare = packageBill(graph, root, { facts: () => undefined, created: undefined });
  for (const format of ["spdx", "cyclonedx"] as const)
    expect(encodeSbom(bare, format)).toEqual(encodeSbom({ ...bare }, format));
  expect(json(encodeSbom(bare, "spdx")).creationInfo.created).toBe("1970-01-01T00:00:00Z");
  expect(json(encodeSbom(bare, "cyclonedx")).metadata.timestamp).toBeUndefined();
});

test("an image's document has what runs in it, once, and the base image", () => {
  const zlib = makePackage("zlib", "1.3.1");
  const [one, two] = [makePackage("one", "1.0", [zlib]), makePackage("two", "2.0", [zlib])];
  const nodes = new Map([one, two, zlib].map((spec) => [spec.hash, spec]));
  const image = {
    repository: "ghcr.io/me/cache",
    tag: "tools",
    digest: `sha256:${"1".repeat(64)}`,
    base: { name: "debian:12", digest: `sha256:${"2".repeat(64)}` },
    roots: [one.hash, two.hash],
  };
  const merged = imageBill({ roots: image.roots, nodes, format: 5 }, image, noDetails);
  const spdx = encodeSbom(merged, "spdx");
  expect(json(spdx).packages.map((each: { name: string }) => each.name)).toEqual([
    "ghcr.io/me/cache",
    "debian:12",
    "one",
    "two",
    "zlib",
  ]);
  expect(decodeDescribed(spdx, "spdx", "it")).toEqual({ hashes: [], digests: [image.digest] });
  const cyclonedx = encodeSbom(merged, "cyclonedx");
  expect(decodeDescribed(cyclonedx, "cyclonedx", "it")).toEqual({ hashes: [], digests: [image.digest] });
  expect(json(cyclonedx).dependencies[0]).toEqual({
    ref: image.digest,
    dependsOn: [image.base.digest, one.hash, two.hash],
  });
});

const noDetails = { facts: noFacts.of, created: noFacts.created };

test("a document tells which package it is about", () => {
  for (const format of ["spdx", "cyclonedx"] as const)
    expect(decodeDescribed(encodeSbom(bill, format), format, "it")).toEqual({ hashes: [hash], digests: [] });
});

test("facts are read again from a document of our own", () => {
  const again = decodeFacts(encodeSbom(bill, "spdx"), "it");
  for (const spec of graph.nodes.values()) expect(again.of(spec)).toEqual(facts.of(spec));
});

test("what SPDX would not allow is not taken over, nor what is nobody's business", () => {
  const withFacts = (entry: object) =>
    decodeFacts(
      utf8(
        JSON.stringify({
          spdxVersion: "SPDX-2.3",
          documentNamespace: "x",
          creationInfo: { created: "yesterday" },
          packages: [{ name: "a", versionInfo: "1", ...entry }],
        }),
      ),
      "it",
    ).of({ name: "a", version: "1" });
  const license = (licenseDeclared: string) => withFacts({ licenseDeclared })?.license;
  for (const [said, taken] of [
    ["MIT", "MIT"],
    ["( MIT OR Apache-2.0 ) AND Zlib", "(MIT OR Apache-2.0) AND Zlib"],
    ["GPL-3.0-only WITH GCC-exception-3.1", "GPL-3.0-only WITH GCC-exception-3.1"],
    ["GPL-2.0+", "GPL-2.0+"],
    ["MIT AND Public-Domain", "MIT AND LicenseRef-Public-Domain"],
    ["custom", "LicenseRef-custom"],
  ] as const)
    expect(license(said)).toBe(taken);
  for (const bad of [
    "NOASSERTION",
    "see COPYING",
    "MIT OR",
    "(MIT",
    "MIT)",
    "AND MIT",
    "MIT (Zlib)",
    "",
    "MIT WITH x",
  ])
    expect(license(bad)).toBeUndefined();
  const download = (downloadLocation: string) => withFacts({ downloadLocation })?.download;
  expect(download("git+https://github.com/a/b.git")).toBe("git+https://github.com/a/b.git");
  expect(download("file:///home/me/a.tar.gz")).toBeUndefined();
  expect(download("https://me:secret@example.org/a.tar.gz")).not.toContain("secret");
  const checksum = [{ algorithm: "SHA256", checksumValue: "abc" }];
  expect(withFacts({ checksum })?.checksums).toEqual([]);
});

test("a license that is on no list is explained in the document", () => {
  const custom = { supplier: undefined, download: undefined, license: "LicenseRef-custom", checksums: [] };
  const spdx = json(encodeSbom({ ...bill, facts: () => custom }, "spdx"));
  expect(spdx.hasExtractedLicensingInfos).toMatchObject([{ licenseId: "LicenseRef-custom", name: "custom" }]);
  expect(json(encodeSbom(bill, "spdx")).hasExtractedLicensingInfos).toBeUndefined();
});

test("what is no SPDX document is refused", () => {
  expect(() => decodeFacts(utf8('{"spdxVersion":"SPDX-3.0"}'), "it")).toThrow(
    "it is no SPDX 2.3 at spdxVersion",
  );
  expect(() => decodeDescribed(utf8("[]"), "cyclonedx", "it")).toThrow("it is no SBOM");
});
