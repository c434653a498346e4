import * as v from "valibot";
import { redactUrl } from "../base/redact.js";
import { parseJson } from "../oci/json.js";
import { licenseExpression } from "./license.js";
import { sbomInvalid } from "./sbom-failure.js";

/** What a recipe says about where a package comes from: a spec does not hold it, Spack's own documents do. */
export interface Facts {
  /** `Organization: madler` */
  readonly supplier: string | undefined;
  /** Where its source was downloaded. */
  readonly download: string | undefined;
  /** An SPDX license expression. */
  readonly license: string | undefined;
  /** Of the source as downloaded. */
  readonly checksums: readonly Checksum[];
}

export interface Checksum {
  readonly algorithm: "SHA1" | "SHA256" | "SHA512";
  /** Hexadecimal. */
  readonly value: string;
}

/** What a document tells, of use to those who write another one. */
export interface KnownFacts {
  /** When the document says that it was made. */
  readonly created: string | undefined;
  /** By name and version. */
  readonly of: (spec: { readonly name: string; readonly version: string }) => Facts | undefined;
}

export const noFacts: KnownFacts = { created: undefined, of: () => undefined };

/** What any of several documents tells. Of one name and version all recipes tell the same. */
export function knownToAny(documents: readonly KnownFacts[]): KnownFacts {
  const times = documents.flatMap(({ created }) => created ?? []).sort();
  return {
    created: times.at(-1),
    of(spec) {
      for (const document of documents) {
        const facts = document.of(spec);
        if (facts !== undefined) return facts;
      }
      return undefined;
    },
  };
}

const optionalText = v.nullish(v.string());
// Spack 1.2 writes `checksum`, where SPDX 2.3 has `checksums`.
const checksums = v.nullish(v.array(v.looseObject({ algorithm: v.string(), checksumValue: v.string() })));
const document = v.looseObject({
  spdxVersion: v.literal("SPDX-2.3"),
  documentNamespace: v.string(),
  creationInfo: v.looseObject({ created: v.string() }),
  packages: v.array(
    v.looseObject({
      name: v.string(),
      versionInfo: optionalText,
      supplier: optionalText,
      downloadLocation: optionalText,
      licenseDeclared: optionalText,
      checksum: checksums,
      checksums,
    }),
  ),
});

/**
 * What an SPDX document says of its packages: one that Spack left in a prefix (`.spack/sbom/spdx-2.3.json`), or one
 * of our own. What SPDX 2.3 would not allow is left out.
 * @throws Failure `sbom.invalid`
 */
export function decodeFacts(bytes: Uint8Array, subject: string): KnownFacts {
  const parsed = v.safeParse(document, parseJson(bytes, subject, documentLimit), { abortEarly: true });
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw sbomInvalid(subject, `is no SPDX 2.3 at ${v.getDotPath(issue) ?? "its top"}: ${issue.message}`);
  }
  const { creationInfo, packages } = parsed.output;
  const facts = new Map(packages.map((one) => [`${one.name}@${one.versionInfo}`, factsOf(one)]));
  return {
    created: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(creationInfo.created)
      ? creationInfo.created
      : undefined,
    of: ({ name, version }) => facts.get(`${name}@${version}`),
  };
}

/** Documents of large environments have some megabytes. */
export const documentLimit = 64 * 1024 * 1024;

type Entry = v.InferOutput<typeof document>["packages"][number];

function factsOf(entry: Entry): Facts {
  const { supplier, downloadLocation, licenseDeclared } = entry;
  return {
    supplier: supplier && /^(?:Organization|Person): \S/.test(supplier) ? supplier : undefined,
    download: downloadLocation && isLocation.test(downloadLocation) ? redactUrl(downloadLocation) : undefined,
    license: licenseDeclared ? licenseExpression(licenseDeclared) : undefined,
    checksums: (entry.checksums ?? entry.checksum ?? []).flatMap(({ algorithm, checksumValue: value }) =>
      isAlgorithm(algorithm) && value.length === hexDigits[algorithm] && /^[0-9a-f]+$/.test(value)
        ? [{ algorithm, value }]
        : [],
    ),
  };
}

const hexDigits = { SHA1: 40, SHA256: 64, SHA512: 128 } as const;
const isAlgorithm = (text: string): text is Checksum["algorithm"] => Object.hasOwn(hexDigits, text);

/** SPDX 2.3, 7.7: a URL, or one of a version control system. Paths of a machine are nobody else's business. */
const isLocation = /^(?:(?:git|hg|svn|bzr)\+)?(?:https?|ftp|git|ssh):\/\/[^\s/?#]+\S*$/;
