import { createHash } from "node:crypto";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { formatFull, formatShort } from "../spec/format-concrete.js";
import type { Bill, BilledImage, BillEdge } from "./bill.js";
import type { Facts } from "./facts.js";
import { licenseReferences } from "./license.js";
import { imageUrl, packageUrl } from "./purl.js";

/** The type of our references to a package's DAG hash, by which it is known whatever its name. */
export const hashReference = "spack-dag-hash";

/** SPDX wants a time; the one of nobody is the first. */
const noTime = "1970-01-01T00:00:00Z";

/** A bill as SPDX 2.3, whose relationships are those of the spec. */
export function spdxDocument(bill: Bill): object {
  const { subject, packages, edges, facts, created } = bill;
  const ids = new Map(packages.map((spec) => [spec.hash, idOf(spec)]));
  const elements = packages.map((spec) => packageElement(spec, facts(spec)));
  const relations = edges.map((edge) => relationship(edge, ids));
  const body =
    subject.type === "package"
      ? {
          name: formatShort(subject.spec, 32).replace("@", "-").replace("/", "-"),
          packages: elements,
          relationships: [relate("SPDXRef-DOCUMENT", "DESCRIBES", idOf(subject.spec)), ...relations],
        }
      : {
          name: `${subject.image.repository}:${subject.image.tag}`,
          packages: [
            imageElement(subject.image),
            ...(subject.image.base === undefined ? [] : [baseElement(subject.image.base)]),
            ...elements,
          ],
          relationships: [
            relate("SPDXRef-DOCUMENT", "DESCRIBES", imageId),
            ...(subject.image.base === undefined ? [] : [relate(imageId, "DESCENDANT_OF", baseId)]),
            // What came from outside of Spack is in no layer of ours.
            ...packages.map(({ hash, external }) =>
              relate(imageId, external === undefined ? "CONTAINS" : "DEPENDS_ON", ids.get(hash) ?? ""),
            ),
            ...relations,
          ],
        };
  const content = {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    ...body,
    ...extractedLicenses(packages.flatMap((spec) => facts(spec)?.license ?? [])),
    creationInfo: { created: created ?? noTime, creators: ["Tool: stowage"] },
  };
  // One namespace for one content: no two documents share one, and the same packages give the same bytes.
  const digest = createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, 32);
  const about = subject.type === "package" ? subject.spec.hash : "image";
  return { ...content, documentNamespace: `https://spack.io/sbom/${about}/stowage-${digest}` };
}

const imageId = "SPDXRef-IMAGE";
const baseId = "SPDXRef-BASE-IMAGE";

const idOf = ({ name, version, hash }: ConcreteSpec): string =>
  `SPDXRef-PACKAGE-${`${name}-${version}-${hash}`.replace(/[^A-Za-z0-9.-]/g, "-")}`;

function packageElement(spec: ConcreteSpec, facts: Facts | undefined): object {
  return {
    SPDXID: idOf(spec),
    name: spec.name,
    versionInfo: spec.version,
    supplier: facts?.supplier ?? "NOASSERTION",
    downloadLocation: facts?.download ?? "NOASSERTION",
    filesAnalyzed: false,
    ...(facts === undefined || facts.checksums.length === 0
      ? {}
      : {
          checksums: facts.checksums.map(({ algorithm, value }) => ({ algorithm, checksumValue: value })),
        }),
    licenseDeclared: facts?.license ?? "NOASSERTION",
    licenseConcluded: "NOASSERTION",
    copyrightText: "NOASSERTION",
    sourceInfo:
      spec.external === undefined
        ? `built by Spack: ${formatFull(spec)}`
        : `from outside of Spack: ${formatFull(spec)}`,
    externalRefs: [
      purlReference(packageUrl(spec, facts)),
      { referenceCategory: "OTHER", referenceType: hashReference, referenceLocator: spec.hash },
    ],
  };
}

/** What recipes call a license, and is none on the SPDX list. */
function extractedLicenses(expressions: readonly string[]): object {
  const references = [...new Set(expressions.flatMap(licenseReferences))].sort();
  if (references.length === 0) return {};
  return {
    hasExtractedLicensingInfos: references.map((licenseId) => ({
      licenseId,
      name: licenseId.replace("LicenseRef-", ""),
      extractedText: "The recipe names this license; its text is with the package's source.",
    })),
  };
}

const imageElement = (image: BilledImage): object => ({
  ...unanalyzed(imageId, image.repository, image.tag),
  primaryPackagePurpose: "CONTAINER",
  checksums: [{ algorithm: "SHA256", checksumValue: image.digest.replace("sha256:", "") }],
  externalRefs: [purlReference(imageUrl(image))],
});

const baseElement = ({ name, digest }: { readonly name: string; readonly digest: string }): object => ({
  ...unanalyzed(baseId, name, digest),
  primaryPackagePurpose: "CONTAINER",
  comment: "Its own packages are not listed: a scanner of the image finds them.",
});

const unanalyzed = (id: string, name: string, version: string): object => ({
  SPDXID: id,
  name,
  versionInfo: version,
  supplier: "NOASSERTION",
  downloadLocation: "NOASSERTION",
  filesAnalyzed: false,
  licenseDeclared: "NOASSERTION",
  licenseConcluded: "NOASSERTION",
  copyrightText: "NOASSERTION",
});

const purlReference = (locator: string): object => ({
  referenceCategory: "PACKAGE-MANAGER",
  referenceType: "purl",
  referenceLocator: locator,
});

/** SPDX says some relations from the dependency's side (SPDX 2.3, 11.1). */
function relationship({ from, to, kind }: BillEdge, ids: ReadonlyMap<string, string>): object {
  const [dependent, dependency] = [ids.get(from) ?? "", ids.get(to) ?? ""];
  switch (kind) {
    case "runtime":
      return relate(dependent, "DEPENDS_ON", dependency);
    case "build":
      return relate(dependency, "BUILD_DEPENDENCY_OF", dependent);
    case "test":
      return relate(dependency, "TEST_DEPENDENCY_OF", dependent);
  }
}

const relate = (spdxElementId: string, relationshipType: string, relatedSpdxElement: string): object => ({
  spdxElementId,
  relationshipType,
  relatedSpdxElement,
});
