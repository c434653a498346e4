import { expect, test } from "vitest";
import { graphOf, makePackage, storePackage } from "../../test/support/packages.js";
import { packageTag } from "../buildcache/tag.js";
import { demandManifest } from "../oci/copy.js";
import { createMemoryRegistry } from "../oci/memory.js";
import { parseRepositoryName } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import { attachSbom, readSbom } from "./attached-sbom.js";
import { packageBill } from "./bill.js";
import { noFacts } from "./facts.js";
import { encodeSbom } from "./sbom.js";

const zlib = makePackage("zlib", "1.3.1");
const hdf5 = makePackage("hdf5", "1.14", [zlib]);
const documentOf = (spec: typeof zlib): Uint8Array =>
  encodeSbom(
    packageBill(graphOf(spec, [zlib]), spec.hash, { facts: noFacts.of, created: undefined }),
    "spdx",
  );

async function cache(): Promise<Repository> {
  const repository = createMemoryRegistry().repository(parseRepositoryName("cache"));
  await storePackage(repository, graphOf(zlib, []));
  await storePackage(repository, graphOf(hdf5, [zlib]));
  return repository;
}

const attachTo = async (repository: Repository, spec: typeof zlib, bytes: Uint8Array) => {
  const { descriptor } = await demandManifest(repository, packageTag(spec));
  await attachSbom(repository, descriptor, {
    format: "spdx",
    bytes,
    title: "x.spdx.json",
    created: undefined,
  });
  return { digest: descriptor.digest, hash: spec.hash };
};

test("a document is read as it was attached; there is none in another format", async () => {
  const repository = await cache();
  const subject = await attachTo(repository, zlib, documentOf(zlib));
  expect((await readSbom(repository, subject, { format: "spdx" }))?.bytes).toEqual(documentOf(zlib));
  expect(await readSbom(repository, subject, { format: "cyclonedx" })).toBeUndefined();
});

test("the document of another package is refused", async () => {
  const repository = await cache();
  const subject = await attachTo(repository, zlib, documentOf(hdf5));
  await expect(readSbom(repository, subject, { format: "spdx" })).rejects.toMatchObject({
    code: "sbom.subject-differs",
  });
});

test("an artifact that a registry lists for a manifest that it is not about is refused", async () => {
  const repository = await cache();
  const subject = await attachTo(repository, hdf5, documentOf(zlib));
  const lying: Repository = {
    ...repository,
    referrers: (_, call) => repository.referrers(subject.digest, call),
  };
  const { digest } = (await demandManifest(repository, packageTag(zlib))).descriptor;
  await expect(readSbom(lying, { digest, hash: zlib.hash }, { format: "spdx" })).rejects.toMatchObject({
    code: "sbom.subject-differs",
  });
});

test("of several documents the newest is read, those that tell no time last", async () => {
  const repository = await cache();
  const subject = await attachTo(repository, zlib, documentOf(zlib));
  const { descriptor } = await demandManifest(repository, packageTag(zlib));
  for (const created of ["2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2024-01-01T00:00:00Z"]) {
    const bill = packageBill(graphOf(zlib, []), zlib.hash, { facts: noFacts.of, created });
    const bytes = encodeSbom(bill, "spdx");
    await attachSbom(repository, descriptor, { format: "spdx", bytes, title: "x", created });
  }
  const found = await readSbom(repository, subject, { format: "spdx" });
  expect(Buffer.from(found?.bytes ?? []).toString()).toContain('"created":"2026-01-01T00:00:00Z"');
});
