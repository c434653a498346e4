import * as v from "valibot";
import { utf8 } from "../base/bytes.js";
import { parseJson } from "../oci/json.js";
import type { Bill } from "./bill.js";
import { cyclonedxDocument, hashProperty } from "./cyclonedx.js";
import { documentLimit } from "./facts.js";
import { digestInUrl } from "./purl.js";
import { sbomInvalid } from "./sbom-failure.js";
import { hashReference, spdxDocument } from "./spdx.js";

export const sbomFormats = ["spdx", "cyclonedx"] as const;
export type SbomFormat = (typeof sbomFormats)[number];

/** Media types of documents, which are the types of the artifacts that hold them, too. */
export const sbomTypes: Readonly<Record<SbomFormat, string>> = {
  spdx: "application/spdx+json",
  cyclonedx: "application/vnd.cyclonedx+json",
};

/** The bytes of a bill: the same for the same packages. */
export const encodeSbom = (bill: Bill, format: SbomFormat): Uint8Array =>
  utf8(`${JSON.stringify(format === "spdx" ? spdxDocument(bill) : cyclonedxDocument(bill))}\n`);

/** What a document says that it is about, where it says it in our words. */
export interface Described {
  readonly hashes: readonly string[];
  readonly digests: readonly string[];
}

const spdx = v.looseObject({
  spdxVersion: v.pipe(v.string(), v.startsWith("SPDX-2.")),
  packages: v.nullish(
    v.array(
      v.looseObject({
        SPDXID: v.string(),
        externalRefs: v.nullish(
          v.array(v.looseObject({ referenceType: v.string(), referenceLocator: v.string() })),
        ),
      }),
    ),
  ),
  documentDescribes: v.nullish(v.array(v.string())),
  relationships: v.nullish(
    v.array(
      v.looseObject({
        spdxElementId: v.string(),
        relationshipType: v.string(),
        relatedSpdxElement: v.string(),
      }),
    ),
  ),
});

const cyclonedx = v.looseObject({
  bomFormat: v.literal("CycloneDX"),
  metadata: v.nullish(
    v.looseObject({
      component: v.nullish(
        v.looseObject({
          purl: v.nullish(v.string()),
          properties: v.nullish(v.array(v.looseObject({ name: v.string(), value: v.nullish(v.string()) }))),
        }),
      ),
    }),
  ),
});

/**
 * Reads as much of a document as tells what it is about.
 * @throws Failure `sbom.invalid`
 */
export function decodeDescribed(bytes: Uint8Array, format: SbomFormat, subject: string): Described {
  const json = parseJson(bytes, subject, documentLimit);
  return format === "spdx" ? describedBySpdx(json, subject) : describedByCyclonedx(json, subject);
}

function describedBySpdx(json: unknown, subject: string): Described {
  const { packages, relationships, documentDescribes } = valid(spdx, json, subject);
  const described = new Set(documentDescribes ?? []);
  for (const { relationshipType, spdxElementId, relatedSpdxElement } of relationships ?? [])
    if (relationshipType === "DESCRIBES" && spdxElementId.startsWith("SPDXRef-DOCUMENT"))
      described.add(relatedSpdxElement);
  const references = (packages ?? [])
    .filter(({ SPDXID }) => described.has(SPDXID))
    .flatMap(({ externalRefs }) => externalRefs ?? []);
  const locators = (type: string): string[] =>
    references.filter((one) => one.referenceType === type).map((one) => one.referenceLocator);
  return {
    hashes: locators(hashReference),
    digests: locators("purl").flatMap((url) => digestInUrl(url) ?? []),
  };
}

function describedByCyclonedx(json: unknown, subject: string): Described {
  const component = valid(cyclonedx, json, subject).metadata?.component;
  return {
    hashes: (component?.properties ?? []).flatMap(({ name, value }) =>
      name === hashProperty && value ? [value] : [],
    ),
    digests: component?.purl ? [digestInUrl(component.purl) ?? []].flat() : [],
  };
}

function valid<const S extends v.GenericSchema>(schema: S, json: unknown, subject: string): v.InferOutput<S> {
  const parsed = v.safeParse(schema, json, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw sbomInvalid(subject, `is no SBOM at ${v.getDotPath(issue) ?? "its top"}: ${issue.message}`);
}
